//! Who pays whom so that nobody owes anything: what `GET /api/clear` answers.
//!
//! Deliberately not the fewest payments (that is NP-hard), but never more than users - 1: each payment
//! clears at least one account, and the last one two. The original paid the debtor's initial debt to
//! each creditor; here it is what is left of it.

use serde::Serialize;

use crate::accounts::Account;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Payment {
    /// Who pays.
    pub(crate) sender: String,
    /// Who is paid.
    pub(crate) receiver: String,
    /// How much; up to 2⁶³, one more than a balance can be.
    pub(crate) amount: u64,
}

/// The payments that clear all accounts, debtors and creditors each in the accounts' order; or the sum
/// of balances when it is not 0.
pub(crate) fn settle(accounts: &[Account]) -> Result<Vec<Payment>, i128> {
    let sum = accounts.iter().map(|a| i128::from(a.balance)).sum();
    if sum != 0 {
        return Err(sum);
    }
    let mut creditors = accounts
        .iter()
        .filter(|account| account.balance > 0)
        .map(|account| (account, account.balance.unsigned_abs()));
    let mut creditor = creditors.next();
    let mut payments = Vec::new();
    for debtor in accounts.iter().filter(|account| account.balance < 0) {
        let mut debt = debtor.balance.unsigned_abs();
        while debt > 0
            && let Some((paid, credit)) = &mut creditor
        {
            let amount = debt.min(*credit);
            payments.push(Payment {
                sender: debtor.holder.to_string(),
                receiver: paid.holder.to_string(),
                amount,
            });
            debt -= amount;
            *credit -= amount;
            if *credit == 0 {
                creditor = creditors.next();
            }
        }
    }
    Ok(payments)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn accounts(balances: &[i64]) -> Vec<Account> {
        let account = |(n, balance): (usize, &i64)| Account {
            holder: format!("u{n:02}").into(),
            balance: *balance,
        };
        balances.iter().enumerate().map(account).collect()
    }

    #[test]
    fn the_seeds_example() {
        let payments = settle(&accounts(&[1, 0, -1])).expect("it adds up");
        let expected = Payment {
            sender: "u02".to_owned(),
            receiver: "u00".to_owned(),
            amount: 1,
        };
        assert_eq!(payments, [expected]);
        assert_eq!(settle(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_does_not_add_up_is_not_settled() {
        assert_eq!(settle(&accounts(&[1, -2])), Err(-1));
        let most = accounts(&[i64::MAX, i64::MAX]);
        assert_eq!(settle(&most), Err(i128::from(i64::MAX) * 2));
    }

    proptest! {
        #[test]
        fn payments_clear_every_account(balances in prop::collection::vec(-1_000_000_i64..1_000_000, 0..20), big: bool) {
            let mut balances: Vec<i64> = match big {
                true => balances.iter().map(|b| b * 1_000_000).collect(),
                false => balances,
            };
            balances.push(-balances.iter().sum::<i64>());
            let accounts = accounts(&balances);
            let payments = settle(&accounts).expect("it adds up");
            prop_assert!(payments.len() < accounts.len());
            let mut left: BTreeMap<&str, i128> =
                accounts.iter().map(|a| (&*a.holder, i128::from(a.balance))).collect();
            for payment in &payments {
                prop_assert!(payment.amount > 0);
                *left.get_mut(&*payment.sender).expect("known") += i128::from(payment.amount);
                *left.get_mut(&*payment.receiver).expect("known") -= i128::from(payment.amount);
            }
            prop_assert!(left.values().all(|balance| *balance == 0), "{left:?}");
        }
    }
}
