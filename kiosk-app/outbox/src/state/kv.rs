//! Ordered trees of bytes: what the queue's state asks of an engine.
//!
//! Promises: [`Memory`] never fails; it is the oracle sled is compared with, and what takes over when
//! sled cannot go on.
//! Never: knows what the bytes mean.

use std::{collections::BTreeMap, ops::Bound};

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The trees; [`Tree::name`] is the name on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tree {
    /// Order to [`super::rows::Waits`].
    Queue,
    /// Order to attempts and the earliest next one.
    Tries,
    /// Envelope id to where it is.
    Ids,
    /// Claim digest and order to envelope id.
    Claims,
    /// Number of the ending to [`super::rows::Kept`].
    Receipts,
    /// Order to [`super::rows::Dead`].
    Dead,
    /// How far the journal was applied.
    Meta,
}

impl Tree {
    /// Every tree.
    pub(crate) const ALL: [Self; 7] =
        [Self::Queue, Self::Tries, Self::Ids, Self::Claims, Self::Receipts, Self::Dead, Self::Meta];

    /// What the journal alone decides: these can be compared with a replay of it.
    pub(crate) const FROM_JOURNAL: [Self; 5] =
        [Self::Queue, Self::Ids, Self::Claims, Self::Receipts, Self::Dead];

    /// The name on the disk.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Tries => "tries",
            Self::Ids => "ids",
            Self::Claims => "claims",
            Self::Receipts => "receipts",
            Self::Dead => "dead",
            Self::Meta => "meta",
        }
    }
}

/// Why the engine cannot be used any longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KvError {
    /// sled says so.
    #[error("sled refused")]
    Sled(#[from] sled::Error),
    /// sled panicked.
    #[error("sled panicked")]
    Panicked,
    /// sled took longer than its limit.
    #[error("sled did not open within {0} ms")]
    TimedOut(u64),
    /// A file beside sled.
    #[error("the state folder does not take writes")]
    Io(#[from] std::io::Error),
    /// A value that is not what was put there.
    #[error("a row in tree {0} cannot be read")]
    Row(&'static str),
}

/// Takes a key and its value.
pub(crate) type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), KvError> + 'a;

/// An engine.
pub(crate) trait Kv: Send {
    /// The value of a key.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;
    /// Sets a value.
    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError>;
    /// Removes a key, there or not.
    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError>;
    /// The first pair whose key is greater than `key`, or the first of all.
    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError>;
    /// Calls `each` with every pair of a tree in order, until it fails.
    fn for_each(&self, tree: Tree, each: &mut Each<'_>) -> Result<(), KvError> {
        let mut at: Option<Vec<u8>> = None;
        while let Some((key, value)) = self.after(tree, at.as_deref())? {
            each(&key, &value)?;
            at = Some(key);
        }
        Ok(())
    }
    /// The last pair whose key begins with `prefix`.
    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError>;
    /// Makes everything before it durable.
    fn flush(&mut self) -> Result<(), KvError>;
    /// Bytes it takes on the disk.
    fn disk_bytes(&self) -> u64;
    /// Whether anything outlives the process.
    fn is_on_disk(&self) -> bool;
}

/// Trees in memory. Keys have the length of their tree, so that a hundred thousand rows take 30 MB and not 90.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    ids: BTreeMap<[u8; 16], [u8; 9]>,
    claims: BTreeMap<[u8; 40], [u8; 16]>,
    numbered: BTreeMap<(Tree, u64), Box<[u8]>>,
    meta: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// A key or value of its tree's length.
fn fixed<const N: usize>(tree: Tree, bytes: &[u8]) -> Result<[u8; N], KvError> {
    bytes.try_into().map_err(|_| KvError::Row(tree.name()))
}

fn number(tree: Tree, key: &[u8]) -> Result<u64, KvError> {
    fixed(tree, key).map(u64::from_be_bytes)
}

fn owned((key, value): (impl AsRef<[u8]>, impl AsRef<[u8]>)) -> Pair {
    (key.as_ref().to_vec(), value.as_ref().to_vec())
}

/// The first pair above `key`, or the first of all.
fn above<K: Ord, V>(map: &BTreeMap<K, V>, key: Option<K>) -> Option<(&K, &V)> {
    let from = key.map_or(Bound::Unbounded, Bound::Excluded);
    map.range((from, Bound::Unbounded)).next()
}

impl Kv for Memory {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(match tree {
            Tree::Ids => self.ids.get(&fixed(tree, key)?).map(|spot| spot.to_vec()),
            Tree::Claims => self.claims.get(&fixed(tree, key)?).map(|id| id.to_vec()),
            Tree::Meta => self.meta.get(key).map(|value| value.to_vec()),
            Tree::Queue | Tree::Tries | Tree::Receipts | Tree::Dead => {
                self.numbered.get(&(tree, number(tree, key)?)).map(|row| row.to_vec())
            }
        })
    }

    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError> {
        match tree {
            Tree::Ids => _ = self.ids.insert(fixed(tree, key)?, fixed(tree, value)?),
            Tree::Claims => _ = self.claims.insert(fixed(tree, key)?, fixed(tree, value)?),
            Tree::Meta => _ = self.meta.insert(key.into(), value.into()),
            Tree::Queue | Tree::Tries | Tree::Receipts | Tree::Dead => {
                _ = self.numbered.insert((tree, number(tree, key)?), value.into());
            }
        }
        Ok(())
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError> {
        match tree {
            Tree::Ids => _ = self.ids.remove(&fixed(tree, key)?),
            Tree::Claims => _ = self.claims.remove(&fixed(tree, key)?),
            Tree::Meta => _ = self.meta.remove(key),
            Tree::Queue | Tree::Tries | Tree::Receipts | Tree::Dead => {
                _ = self.numbered.remove(&(tree, number(tree, key)?));
            }
        }
        Ok(())
    }

    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        Ok(match tree {
            Tree::Ids => above(&self.ids, key.map(|key| fixed(tree, key)).transpose()?).map(owned),
            Tree::Claims => above(&self.claims, key.map(|key| fixed(tree, key)).transpose()?).map(owned),
            Tree::Meta => above(&self.meta, key.map(Into::into)).map(owned),
            Tree::Queue | Tree::Tries | Tree::Receipts | Tree::Dead => {
                let from = match key {
                    Some(key) => Bound::Excluded((tree, number(tree, key)?)),
                    None => Bound::Included((tree, 0)),
                };
                let next = self.numbered.range((from, Bound::Included((tree, u64::MAX)))).next();
                next.map(|((_, number), row)| owned((number.to_be_bytes(), row)))
            }
        })
    }

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        if tree == Tree::Claims {
            let mut ends = [[0; 40], [0xff; 40]];
            for end in &mut ends {
                end.iter_mut().zip(prefix).for_each(|(byte, given)| *byte = *given);
            }
            let [first, last] = ends;
            return Ok(self.claims.range(first..=last).next_back().map(owned));
        }
        let mut found = None;
        self.for_each(tree, &mut |key, value| {
            if key.starts_with(prefix) {
                found = Some(owned((key, value)));
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn flush(&mut self) -> Result<(), KvError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn is_on_disk(&self) -> bool {
        false
    }
}
