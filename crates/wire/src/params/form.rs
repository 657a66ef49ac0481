//! Forms: URL queries and urlencoded bodies, as Go reads them.

/// Why a form cannot be read (400).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `%` without two hexadecimal digits.
    #[error("invalid URL escape {}", loptr_model::go_quote(.0))]
    Escape(String),
    /// `;` between parameters.
    #[error("invalid semicolon separator in query")]
    Semicolon,
}

/// Parameters by name, values in the order given, those of the body first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the URL's query and the urlencoded body of a POST. Bytes that are no UTF-8 become U+FFFD.
    pub fn from_form(url_query: &str, body: Option<&[u8]>) -> Result<Self, FormError> {
        let mut params = Vec::new();
        let of_body = body.map_or(Ok(()), |body| read(body, &mut params));
        read(url_query.as_bytes(), &mut params)?;
        of_body?;
        Ok(Self(params))
    }

    /// The first value of `name`, "" if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or("")
    }

    /// All values of `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

fn read(form: &[u8], into: &mut Vec<(String, String)>) -> Result<(), FormError> {
    for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pair.contains(&b';') {
            return Err(FormError::Semicolon);
        }
        let cut = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = cut.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        into.push((unescape(name)?, unescape(value)?));
    }
    Ok(())
}

fn unescape(text: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = |at: usize| after.get(at).and_then(|digit| (*digit as char).to_digit(16));
                let (Some(high), Some(low)) = (hex(0), hex(1)) else {
                    let seen = after.len().min(2);
                    return Err(FormError::Escape(format!("%{}", String::from_utf8_lossy(&after[..seen]))));
                };
                out.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            other => out.push(other),
        }
    }
    Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
