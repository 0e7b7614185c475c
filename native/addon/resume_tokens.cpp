#include "addon/resume_tokens.hpp"

#include "session/welcome.hpp"

namespace sluice::addon {

namespace {

Napi::Value refuse(const Napi::Env& env, const char* what) {
  Napi::TypeError::New(env, what).ThrowAsJavaScriptException();
  return env.Undefined();
}

bool is_typed(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

}  // namespace

Napi::Function ResumeTokens::define(Napi::Env env) {
  return DefineClass(env, "ResumeTokens",
                     {InstanceMethod<&ResumeTokens::sign>("sign"), InstanceMethod<&ResumeTokens::verify>("verify"),
                      InstanceMethod<&ResumeTokens::write_welcomes>("writeWelcomes")});
}

// new ResumeTokens(secret: Uint8Array)
ResumeTokens::ResumeTokens(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (info.Length() < 1 || !is_typed(info[0], napi_uint8_array) || info[0].As<Napi::Uint8Array>().ByteLength() > session::kSha256Block) {
    refuse(info.Env(), "the secret is at most 64 bytes");
    return;
  }
  const auto secret = info[0].As<Napi::Uint8Array>();
  tokens_ = std::make_unique<session::ResumeTokens>(secret.Data(), static_cast<uint32_t>(secret.ByteLength()));
}

// sign(statement: Uint8Array, length: number): string
Napi::Value ResumeTokens::sign(const Napi::CallbackInfo& info) {
  if (info.Length() < 2 || !is_typed(info[0], napi_uint8_array)) return refuse(info.Env(), "sign takes bytes and their number");
  const auto statement = info[0].As<Napi::Uint8Array>();
  const uint32_t length = info[1].ToNumber().Uint32Value();
  if (length > statement.ByteLength() || length > session::ResumeTokens::kStatementMax) {
    return refuse(info.Env(), "the statement is too long");
  }
  char token[session::ResumeTokens::kTokenMax];
  const char* const end = tokens_->sign(token, statement.Data(), length);
  return Napi::String::New(info.Env(), token, static_cast<size_t>(end - token));
}

// verify(token: string, statement: Uint8Array): number, the statement's length or -1
Napi::Value ResumeTokens::verify(const Napi::CallbackInfo& info) {
  const bool fits = info.Length() >= 2 && info[0].IsString() && is_typed(info[1], napi_uint8_array) &&
                    info[1].As<Napi::Uint8Array>().ByteLength() >= session::ResumeTokens::kStatementMax;
  if (!fits) return refuse(info.Env(), "verify takes a text and room for the statement");
  // Longer ones are cut, and so no token.
  char token[session::ResumeTokens::kTokenMax + 2];
  size_t length = 0;
  napi_get_value_string_utf8(info.Env(), info[0], token, sizeof token, &length);
  return Napi::Number::New(info.Env(), tokens_->verify(info[1].As<Napi::Uint8Array>().Data(), {token, length}));
}

// writeWelcomes(ids: Uint32Array, count, version, tail: Uint8Array, memory: Uint8Array, address, stride): number, bytes of each
Napi::Value ResumeTokens::write_welcomes(const Napi::CallbackInfo& info) {
  const bool typed = info.Length() >= 7 && is_typed(info[0], napi_uint32_array) && is_typed(info[3], napi_uint8_array) &&
                     is_typed(info[4], napi_uint8_array);
  if (!typed) return refuse(info.Env(), "writeWelcomes takes ids, a tail and memory");
  const auto ids = info[0].As<Napi::Uint32Array>();
  const auto tail = info[3].As<Napi::Uint8Array>();
  auto memory = info[4].As<Napi::Uint8Array>();
  const uint32_t count = info[1].ToNumber().Uint32Value();
  const uint32_t version = info[2].ToNumber().Uint32Value();
  const auto address = static_cast<uint64_t>(info[5].ToNumber().Int64Value());
  const uint64_t stride = info[6].ToNumber().Uint32Value();
  const std::string_view text(reinterpret_cast<const char*>(tail.Data()), tail.ByteLength());
  const uint64_t each = session::Welcomes::bytes_each(text);
  const uint64_t all = count == 0 ? 0 : (count - 1) * stride + each;
  if (count > ids.ElementLength() / session::Welcomes::kIdWords || address > memory.ByteLength() ||
      (count != 0 && stride < each) || all > memory.ByteLength() - address) {
    return refuse(info.Env(), "the welcomes do not fit");
  }
  auto* const out = reinterpret_cast<char*>(memory.Data()) + address;
  session::Welcomes::write(out, stride, *tokens_, ids.Data(), count, static_cast<uint8_t>(version), text);
  return Napi::Number::New(info.Env(), static_cast<double>(each));
}

}  // namespace sluice::addon
