-- Notional: the money booked for every fill is its quantity times its price, rounded once, half to even. Where the
-- amount is the basis of the fill, the two agree within the price of one unit plus half a unit of money.
create or replace view check_notional as
with expected as (
    select
        fill.id,
        fill.basis,
        fill_booked.gross,
        fill.side * round_even(
            fill.quantity::double * fill.price * instrument.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::hugeint as notional,
        fill.price * instrument.multiplier
        * (money_unit.per_one::double / instrument_unit.per_one::double) as price_of_one
    from fill
    join fill_booked on fill_booked.fill_id = fill.id and fill_booked.has_cost
    join commodity as instrument on instrument.id = fill.instrument
    join commodity as money on money.id = instrument.currency
    join unit as instrument_unit on instrument_unit.scale = instrument.scale
    join unit as money_unit on money_unit.scale = money.scale
)

select
    'fill ' || id as subject,
    'booked ' || gross as actual,
    'recomputed ' || notional as expected
from expected
where case when basis = 1 then abs(gross - notional) > price_of_one + 0.5 else gross != notional end;

create or replace view examined_notional as
select count(*) as rows
from fill
join fill_booked on fill_booked.fill_id = fill.id and fill_booked.has_cost;
