//! The description of the API is the API's.

use serde_json::Value;
use tenantry_api::document;
use tenantry_tests::PUBLIC;

/// Every change of the API shows here. Look at the difference, then `make docs`.
#[test]
fn the_document_is_locked() {
    insta::assert_json_snapshot!("openapi", document(PUBLIC));
}

/// One of its own, or one of each that it may be.
fn has_example(document: &Value, schema: &Value) -> bool {
    let named = schema["$ref"].as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
    let schema = named.unwrap_or(schema);
    let each = schema["oneOf"].as_array().is_some_and(|each| each.iter().all(|one| has_example(document, one)));
    each || !schema["example"].is_null() || !schema["examples"].is_null()
}

#[test]
fn operation_ids_are_unique_and_every_body_has_an_example() {
    let document = document(PUBLIC);
    let mut ids = Vec::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()));
            for status in ["400", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{} lacks {status}", ids.last().unwrap());
            }
            for (kind, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                let is_file = ["application/x-ndjson", "application/octet-stream"].contains(&kind.as_str());
                assert!(is_file || has_example(&document, &body["schema"]), "{} lacks an example", ids.last().unwrap());
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
