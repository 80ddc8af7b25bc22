//! How a bucket is reached: `object_store` signs and asks, and goes through the HTTP client and the TLS that the rest of
//! the service has. Its own would bring in a second of each.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as TcpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use tokio::time::timeout;
use tokio_rustls::rustls::{self, ClientConfig};

use crate::config::S3;

/// How long the bucket may take for one request, beside the time for its body. Tried again within [`ALTOGETHER`].
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a body that even a slow line takes in a second.
const A_SECOND: u64 = 128 * 1024;
const ALTOGETHER: Duration = Duration::from_secs(8);

/// The bucket of this configuration.
///
/// # Errors
/// When the system has no certificates to trust.
pub fn bucket(s3: &S3) -> object_store::Result<AmazonS3> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_http_connector(Connector)
        // One request a file; services other than Amazon's do not all know the request for many.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig { max_retries: 2, retry_timeout: ALTOGETHER, ..RetryConfig::default() });
    if let Some(endpoint) = &s3.endpoint {
        let endpoint = endpoint.as_str().trim_end_matches('/');
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http:"));
    }
    if let Some(credentials) = &s3.credentials {
        builder = builder
            .with_access_key_id(&credentials.access_key_id)
            .with_secret_access_key(&credentials.secret_access_key);
        if let Some(token) = &credentials.session_token {
            builder = builder.with_token(token);
        }
    }
    builder.build()
}

/// Makes the client.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let trouble = |error: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
            store: "S3",
            source: error,
        };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| trouble(error.into()))?
            .with_native_roots()
            .map_err(|error| trouble(error.into()))?
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(HttpClient::new(Requests(client)))
    }
}

/// The client: keeps connections open for the next request.
#[derive(Debug)]
struct Requests(Client<HttpsConnector<TcpConnector>, HttpRequestBody>);

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let bytes = u64::try_from(request.body().content_length()).unwrap_or_default();
        let within = ANSWERS_WITHIN + Duration::from_secs(bytes / A_SECOND);
        match timeout(within, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response.map(|body| {
                HttpResponseBody::new(body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error)))
            })),
            Ok(Err(error)) => {
                let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
                Err(HttpError::new(kind, error))
            }
            Err(late) => Err(HttpError::new(HttpErrorKind::Timeout, late)),
        }
    }
}
