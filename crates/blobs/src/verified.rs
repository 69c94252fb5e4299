//! A stream that proves its content before it hands out the end.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use model::record::BlobRef;

use crate::error::Error;

struct Verification<S> {
    content: S,
    reference: BlobRef,
    hasher: blake3::Hasher,
    /// Read but not handed out: it may be the last.
    held_back: Option<Bytes>,
    ended: bool,
}

/// Passes `content` on, one chunk late, and ends with [`Error::Damaged`] in place of the last chunk if the whole is not
/// what `reference` says.
pub(crate) fn verified(
    content: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
    reference: BlobRef,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let start = Verification {
        content: content.boxed(),
        reference,
        hasher: blake3::Hasher::new(),
        held_back: None,
        ended: false,
    };
    futures::stream::unfold(start, |mut state| async move {
        if state.ended {
            return None;
        }
        loop {
            match state.content.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    state.hasher.update(&chunk);
                    if let Some(earlier) = state.held_back.replace(chunk) {
                        return Some((Ok(earlier), state));
                    }
                }
                Some(Err(error)) => {
                    state.ended = true;
                    return Some((Err(error), state));
                }
                None => {
                    state.ended = true;
                    let is_right = state.hasher.finalize().to_hex().as_str() == state.reference.hash;
                    return if is_right {
                        state.held_back.take().map(|last| (Ok(last), state))
                    } else {
                        Some((Err(Error::Damaged { hash: state.reference.hash.clone() }), state))
                    };
                }
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::TryStreamExt as _;

    use super::*;

    fn reference(content: &[u8]) -> BlobRef {
        BlobRef {
            hash: blake3::hash(content).to_hex().to_string(),
            size: u64::try_from(content.len()).unwrap(),
        }
    }

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        futures::stream::iter(parts.iter().map(|part| Ok(Bytes::from(*part))).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn right_content_passes_unchanged() {
        for parts in [vec![], vec!["a"], vec!["", "ab", "", "c"]] {
            let whole = parts.concat();
            let passed: Vec<Bytes> =
                verified(chunks(&parts), reference(whole.as_bytes())).try_collect().await.unwrap();
            assert_eq!(passed.concat(), whole.as_bytes());
        }
    }

    #[tokio::test]
    async fn the_end_of_wrong_content_is_never_handed_out() {
        let passed: Vec<_> = verified(chunks(&["first", "last"]), reference(b"firstlasT")).collect().await;
        assert!(
            matches!(&passed[..], [Ok(first), Err(Error::Damaged { .. })] if first == "first"),
            "{passed:?}"
        );
        let alone: Vec<_> = verified(chunks(&["only"]), reference(b"another")).collect().await;
        assert!(matches!(&alone[..], [Err(Error::Damaged { .. })]), "{alone:?}");
    }
}
