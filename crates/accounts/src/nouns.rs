//! The records of one noun in a snapshot.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::Arc;

use immutable_chunkmap::map::Map;

/// Records in a node: few, since a change copies all nodes from the root to its place.
const NODE: usize = 8;

/// Records by id, in its order. A clone shares all of them with the original, and a change copies only what leads to it:
/// however many roles an account has, one more costs the same.
#[derive(PartialEq)]
pub struct Nouns<K: Ord + Clone, V>(Map<K, Arc<V>, NODE>);

impl<K: Ord + Clone, V> Nouns<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The record with this id.
    pub fn get<Q: Ord + ?Sized>(&self, id: &Q) -> Option<&Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.0.get(id)
    }

    /// Whether there is a record with this id.
    pub fn contains_key<Q: Ord + ?Sized>(&self, id: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(id).is_some()
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &Arc<V>> {
        self.0.into_iter().map(|(_, record)| record)
    }

    /// Those whose id is after `after`, or all.
    pub fn after(&self, after: Option<K>) -> impl Iterator<Item = &Arc<V>> {
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range::<K, _>((first, Bound::Unbounded)).map(|(_, record)| record)
    }

    /// Adds a record, or puts it in the place of the one with its id.
    pub(crate) fn insert(&mut self, id: K, record: Arc<V>) {
        self.0.insert_cow(id, record);
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, id: &K) -> Option<Arc<V>> {
        self.0.remove_cow(id)
    }

    /// Takes out all that are not wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.0 =
            self.0.into_iter().filter(|(_, record)| wanted(record)).map(|(id, record)| (id.clone(), record.clone())).collect();
    }
}

impl<K: Ord + Clone, V> Clone for Nouns<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord + Clone + Debug, V: Debug> Debug for Nouns<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl<K: Ord + Clone, V> FromIterator<(K, Arc<V>)> for Nouns<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, Arc<V>)>>(records: I) -> Self {
        Self(records.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_original_as_it_was() {
        let old: Nouns<u32, u32> = (0..100).map(|n| (n, Arc::new(n))).collect();
        let mut new = old.clone();
        new.insert(100, Arc::new(100));
        new.insert(7, Arc::new(70));
        assert_eq!(new.remove(&0).as_deref(), Some(&0));
        new.retain(|n| n % 2 == 0);
        let all = |of: &Nouns<u32, u32>| of.values().map(|n| **n).collect::<Vec<_>>();
        assert_eq!(all(&old), (0..100).collect::<Vec<_>>());
        assert_eq!((new.len(), all(&new)[..4].to_vec()), (51, vec![2, 4, 6, 70]));
        assert_eq!(new.after(Some(6)).map(|n| **n).take(2).collect::<Vec<_>>(), [70, 8]);
        assert_eq!(new.after(None).count(), 51);
        assert!(new.contains_key(&100) && !new.contains_key(&0) && !new.is_empty());
        // What did not change is shared.
        assert!(Arc::ptr_eq(old.get(&50).unwrap(), new.get(&50).unwrap()));
    }
}
