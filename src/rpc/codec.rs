//! The codec of every generated service and client: prost's, with our own answer to bytes that are no message.

#[cfg(feature = "server")]
use super::status::undecodable;
use prost::Message;
use std::marker::PhantomData;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// As the server says it, without the details that only a server gives.
#[cfg(not(feature = "server"))]
fn undecodable(error: &prost::DecodeError) -> tonic::Status {
    tonic::Status::invalid_argument(format!(
        "the answer cannot be decoded ({error}); use a client that knows the server's protos"
    ))
}

/// Encodes `T`, decodes `U`.
pub struct ProtoCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ProtoCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ProtoCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProtoDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProtoDecoder(PhantomData)
    }
}

/// Decodes `T`, and says INVALID_ARGUMENT where prost alone would say INTERNAL.
pub struct ProtoDecoder<T>(PhantomData<T>);

impl<T> Default for ProtoDecoder<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Default> Decoder for ProtoDecoder<T> {
    type Item = T;
    type Error = tonic::Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<T>, tonic::Status> {
        let decoded = T::decode(bytes);
        decoded.map(Some).map_err(|error| undecodable(&error))
    }
}
