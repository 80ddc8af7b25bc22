//! The body of a form, in any of the ways in which browsers and scripts send one.

use std::fmt;

use axum::{
    Form,
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Request},
    http::{Method, header},
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, Deserializer, MapAccess, Visitor},
};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::web::http::{URLENCODED, problem::Problem};

const MULTIPART: &str = "multipart/form-data";
const JSON: &str = "application/json";
/// What [`form_in`] takes, as an `Accept` header lists it (RFC 9110 §15.5.16).
const TAKEN: &str = "application/x-www-form-urlencoded, multipart/form-data, application/json";

/// Reads a form: URL-encoded, as `FormData` (multipart), or as one JSON object of texts and numbers. A field that comes
/// twice makes it unreadable, however it is sent: nobody could say which of the two was meant.
///
/// # Errors
/// [`Problem::MediaType`] when it is sent as anything else, or does not say as what; [`Problem::BadRequest`] when it
/// cannot be read.
pub async fn form_in<T: DeserializeOwned>(request: Request) -> Result<Form<T>, Problem> {
    let request = match media_type(&request).as_str() {
        URLENCODED => request,
        MULTIPART => urlencoded(&of_multipart(request).await?),
        JSON => urlencoded(&of_json(request).await?),
        _ => return Err(Problem::MediaType(TAKEN)),
    };
    Form::from_request(request, &()).await.map_err(|_| Problem::BadRequest)
}

/// The media type without its parameters, in lower case.
fn media_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

type Fields = Vec<(String, String)>;

async fn of_multipart(request: Request) -> Result<Fields, Problem> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| Problem::BadRequest)?;
    let mut fields = Fields::new();
    while let Some(field) = form.next_field().await.map_err(|_| Problem::BadRequest)? {
        let name = field.name().ok_or(Problem::BadRequest)?.to_owned();
        let bytes = field.bytes().await.map_err(|_| Problem::BadRequest)?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| Problem::BadRequest)?;
        fields.push((name, text));
    }
    Ok(fields)
}

async fn of_json(request: Request) -> Result<Fields, Problem> {
    let bytes = Bytes::from_request(request, &()).await.map_err(|_| Problem::BadRequest)?;
    let Object(values) = serde_json::from_slice(&bytes).map_err(|_| Problem::BadRequest)?;
    let text = |value| match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(is) => Ok(is.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err(Problem::BadRequest),
    };
    values.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
}

/// A JSON object with every field in it, also those that come twice.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The same fields as a request that every reader of forms understands.
fn urlencoded(fields: &Fields) -> Request {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(URLENCODED));
    request
}
