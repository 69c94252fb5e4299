//! What both implementations promise. Each check gets a broker of its own.

mod delaying;
mod delivering;
mod publishing;
mod upkeep;

pub(crate) use delaying::*;
pub(crate) use delivering::*;
pub(crate) use publishing::*;
pub(crate) use upkeep::*;
