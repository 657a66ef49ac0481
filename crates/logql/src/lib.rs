//! logql
