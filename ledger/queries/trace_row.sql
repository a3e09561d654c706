-- The rows of a table ($1) in which one column ($2) holds one of some numbers ($3).
select *
from query_table($1)
where list_contains($3, columns(lambda name: name = $2));
