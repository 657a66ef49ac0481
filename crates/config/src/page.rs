//! stub
/// x
pub fn reference_page(_honoured: &[&str]) -> String {
    String::new()
}
