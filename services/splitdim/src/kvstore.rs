//! Mode `kvstore`: the seed's first transfer. The sender's balance, then the receiver's, each tried
//! again at once, without end, whatever the error; also after the client left.
//!
//! Here to be seen to fail: a halfway transfer when the process dies, a balance changed twice when an
//! answer is lost, a core burnt for each transfer while the store is away.

use crate::accounts::Overflow;
use crate::error::TransferError;
use crate::log::Log;
use crate::set_balance::{Change, SetError, set_balance};
use crate::store::Store;
use crate::transfer::Transfer;

/// Transfers until it is done. Only a sender's balance that does not fit is an error, and none when
/// balances wrap as the original's do.
pub(crate) async fn transfer(
    store: &Store,
    log: &Log,
    overflow: Overflow,
    transfer: &Transfer,
) -> Result<(), TransferError> {
    let steps = [
        (&transfer.sender, Change::Up(transfer.amount)),
        (&transfer.receiver, Change::Down(transfer.amount)),
    ];
    for (holder, change) in steps {
        while let Err(error) = set_balance(store, overflow, holder, change).await {
            if let (SetError::Overflow(error), Change::Up(_)) = (&error, change) {
                return Err(error.clone());
            }
            log.line(&format!(
                "transfer: could not set balance for user {holder:?}: {error}"
            ));
            // The original's runtime takes the processor away from a loop like this; tokio asks.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
