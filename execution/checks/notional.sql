-- Notional: the money of every fill is its quantity times its price, rounded once, half to even; where the
-- amount was given, they agree within the price of one unit, and half a unit of money for the rounding.
create or replace view check_notional as
with performed as (
    select
        fill.id,
        fill.basis,
        fill_booked.gross,
        fill.side * round_even(
            fill.quantity::double * fill.price * instrument.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::bigint as notional,
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
    'performed again ' || notional as expected
from performed
where case when basis = 1 then abs(gross - notional) > price_of_one + 0.5 else gross != notional end;

create or replace view examined_notional as
select count(*) as rows
from fill
join fill_booked on fill_booked.fill_id = fill.id and fill_booked.has_cost;
