//! What an answer tells of rates: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and
//! `Retry-After` (RFC 9110 section 10.2.3).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tenantry_domain::{Allowance, Seconds};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Names the rate (`q` requests in `w` seconds), how many are left (`r`), and in how many seconds there are more (`t`).
pub(crate) fn tell(allowance: Allowance, headers: &mut HeaderMap) {
    let Allowance { limit, quota, remaining, reset } = allowance;
    let name = limit.name();
    let policy = HeaderValue::from_maybe_shared(format!("\"{name}\";q={};w={}", quota.burst, quota.window()));
    let left = HeaderValue::from_maybe_shared(format!("\"{name}\";r={remaining};t={reset}"));
    if let (Ok(policy), Ok(left)) = (policy, left) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// How long to wait before trying again.
pub(crate) fn retry_after(seconds: Seconds, headers: &mut HeaderMap) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
}
