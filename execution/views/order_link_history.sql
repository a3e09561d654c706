-- Every relation of an order to an earlier one, with its name.
create or replace view order_link_history as
select
    order_link.id,
    order_link.order_id,
    relation.name as relation,
    order_link.other
from order_link
left join order_relation as relation on relation.id = order_link.relation
order by order_link.id;
