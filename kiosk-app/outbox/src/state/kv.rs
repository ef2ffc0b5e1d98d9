//! Ordered trees of bytes: what the queue's state asks of an engine.
//!
//! Promises: [`Memory`] never fails; it is the oracle sled is compared with, and what takes over when
//! sled cannot go on.
//! Never: knows what the bytes mean.

use std::collections::BTreeMap;
use std::ops::Bound;

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
    /// The last pair whose key begins with `prefix`.
    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError>;
    /// Makes everything before it durable.
    fn flush(&mut self) -> Result<(), KvError>;
    /// Whether anything outlives the process.
    fn is_on_disk(&self) -> bool;
}

/// Calls `each` with every pair of a tree in order, until it fails.
pub(crate) fn for_each(
    kv: &dyn Kv,
    tree: Tree,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), KvError>,
) -> Result<(), KvError> {
    let mut at: Option<Vec<u8>> = None;
    while let Some((key, value)) = kv.after(tree, at.as_deref())? {
        each(&key, &value)?;
        at = Some(key);
    }
    Ok(())
}

/// Trees in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<Tree, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Kv for Memory {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.0.get(&tree).and_then(|pairs| pairs.get(key)).cloned())
    }

    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError> {
        self.0.entry(tree).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError> {
        self.0.entry(tree).or_default().remove(key);
        Ok(())
    }

    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        let Some(pairs) = self.0.get(&tree) else { return Ok(None) };
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(pairs.range::<[u8], _>((from, Bound::Unbounded)).next().map(|(k, v)| (k.clone(), v.clone())))
    }

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        let Some(pairs) = self.0.get(&tree) else { return Ok(None) };
        let starting = pairs.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let last = starting.take_while(|(key, _)| key.starts_with(prefix)).last();
        Ok(last.map(|(k, v)| (k.clone(), v.clone())))
    }

    fn flush(&mut self) -> Result<(), KvError> {
        Ok(())
    }

    fn is_on_disk(&self) -> bool {
        false
    }
}
