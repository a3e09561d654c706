-- The names of the kinds of transaction, and the activity under which each appears in the cash flow.
create or replace view kind as
select
    id::utinyint as id,
    name,
    activity
from (
    values
    (0, 'general', 'other'),
    (1, 'deposit', 'financing'),
    (2, 'withdrawal', 'financing'),
    (3, 'buy', 'trading'),
    (4, 'sell', 'trading'),
    (5, 'short_sale', 'trading'),
    (6, 'cover', 'trading'),
    (7, 'flip', 'trading'),
    (8, 'pay_trades', 'trading'),
    (9, 'receive_trades', 'trading'),
    (10, 'restriction', 'trading'),
    (11, 'delisting', 'trading'),
    (12, 'borrow', 'financing'),
    (13, 'repay', 'financing'),
    (14, 'margin_requirement', 'memo'),
    (15, 'dividend', 'income'),
    (16, 'dividend_payment', 'income'),
    (17, 'dividend_on_short', 'income'),
    (18, 'dividend_on_short_payment', 'income'),
    (19, 'split', 'trading'),
    (20, 'cash_in_lieu', 'trading'),
    (21, 'borrow_fee', 'income'),
    (22, 'borrow_fee_payment', 'income'),
    (23, 'margin_interest', 'income'),
    (24, 'margin_interest_payment', 'income'),
    (25, 'interest', 'income'),
    (26, 'interest_payment', 'income'),
    (27, 'futures_open', 'trading'),
    (28, 'variation_margin', 'trading'),
    (29, 'futures_close', 'trading'),
    (30, 'perpetual_funding', 'income'),
    (31, 'fx_trade', 'exchange'),
    (32, 'valuation', 'memo'),
    (33, 'correction', 'other'),
    (34, 'close', 'memo')
) as t (id, name, activity);
