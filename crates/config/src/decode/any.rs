//! Values below a map that takes anything.

use super::{Decoder, Fault};
use crate::value::Any;
use crate::yaml::scalar::{Meaning, resolve};
use crate::yaml::tree::{Body, MAX_DEPTH, NodeId};

impl Decoder<'_> {
    /// Reads a node as it is. Cycles and growth by the decoder's own counts.
    pub(super) fn any(&mut self, id: NodeId, depth: usize) -> Result<Any, Fault> {
        self.step()?;
        if depth > MAX_DEPTH {
            return Err(Fault::Yaml(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let tree = self.tree;
        let node = tree.node(id);
        Ok(match &node.body {
            Body::Alias(target) => return self.through_alias(*target, |this, target| this.any(target, depth)),
            Body::Scalar { text, plain } => match resolve(node, text, *plain).map_err(Fault::Yaml)? {
                Meaning::Null => Any::Null,
                Meaning::Bool(value) => Any::Bool(value),
                Meaning::Int(_) | Meaning::Uint(_) | Meaning::Float(_) => Any::Number(text.to_string()),
                Meaning::Timestamp | Meaning::Text => Any::Text(text.to_string()),
            },
            Body::List(items) => {
                Any::List(items.iter().map(|item| self.any(*item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Body::Map(pairs) => {
                let mut entries = Vec::new();
                for (name, value) in pairs {
                    if let Some(text) = self.name(*name)? {
                        entries.push((text.to_owned(), self.any(*value, depth + 1)?));
                    }
                }
                Any::Map(entries)
            }
        })
    }
}
