//! What an answer tells of rates: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and
//! `Retry-After` (RFC 9110 section 10.2.3).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tenantry_domain::{Allowance, Seconds};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Names the rate (`q` requests in `w` seconds), how many are left (`r`), and in how many seconds there are more (`t`).
pub(crate) fn tell(allowance: Allowance, headers: &mut HeaderMap) {
    let Allowance { limit, quota, remaining, reset } = allowance;
    // On every answer, so without the machinery of formatting.
    let mut digits: [itoa::Buffer; 4] = Default::default();
    let [burst, window, left, wait] = &mut digits;
    let name = limit.name();
    let policy = ["\"", name, "\";q=", burst.format(quota.burst.get()), ";w=", window.format(quota.window())].concat();
    let left = ["\"", name, "\";r=", left.format(remaining), ";t=", wait.format(reset)].concat();
    let (policy, left) = (HeaderValue::from_maybe_shared(policy), HeaderValue::from_maybe_shared(left));
    if let (Ok(policy), Ok(left)) = (policy, left) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// How long to wait before trying again.
pub(crate) fn retry_after(seconds: Seconds, headers: &mut HeaderMap) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
}
