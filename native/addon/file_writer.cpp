#include "addon/file_writer.hpp"

#include <uv.h>

#include <optional>

#include "base/file_writer.hpp"

namespace sluice::addon {

// What outlives the JavaScript object: a uv handle closes asynchronously.
struct FileWriter::Running {
  std::unique_ptr<sluice::FileWriter> writer;
  Napi::FunctionReference done;
  std::unique_ptr<Napi::AsyncContext> context;
  // Of the piece that is being written.
  Napi::Reference<Napi::Uint8Array> bytes;
  uv_async_t async{};
  bool busy = false;
  std::shared_ptr<Running> self;  // until the uv handle is closed

  void written() {
    const std::optional<int> result = writer ? writer->take_result() : std::nullopt;
    // A wake-up may be seen twice.
    if (!result) return;
    busy = false;
    uv_unref(reinterpret_cast<uv_handle_t*>(&async));
    const Napi::Env env = done.Env();
    const Napi::HandleScope scope(env);
    bytes.Reset();
    done.MakeCallback(env.Global(), {Napi::Number::New(env, *result)}, *context);
    // A handler that throws ends in uncaughtException, as one called by Node itself would.
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
};

Napi::Function FileWriter::define(Napi::Env env) {
  return DefineClass(env, "FileWriter", {InstanceMethod<&FileWriter::write>("write"), InstanceMethod<&FileWriter::close>("close")});
}

// new FileWriter(done: (errno: number) => void, ahead: boolean)
FileWriter::FileWriter(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsFunction()) {
    Napi::TypeError::New(env, "a writer takes who is told").ThrowAsJavaScriptException();
    return;
  }
  running_ = std::make_shared<Running>();
  Running* running = running_.get();
  running->done = Napi::Persistent(info[0].As<Napi::Function>());
  running->context = std::make_unique<Napi::AsyncContext>(env, "sluice");
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  running->async.data = running;
  uv_async_init(loop, &running->async, [](uv_async_t* handle) { static_cast<Running*>(handle->data)->written(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&running->async));
  running->writer = std::make_unique<sluice::FileWriter>([running] { uv_async_send(&running->async); }, info[1].ToBoolean().Value());
}

FileWriter::~FileWriter() { shut_down(); }

// write(fd: number, bytes: Uint8Array, from: number, length: number, at: number)
void FileWriter::write(const Napi::CallbackInfo& info) {
  const bool typed = info.Length() >= 5 && info[1].IsTypedArray() && info[1].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  if (!typed || !running_ || !running_->writer || running_->busy) {
    Napi::TypeError::New(info.Env(), "a writer takes a file and bytes, one piece at a time").ThrowAsJavaScriptException();
    return;
  }
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const auto from = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  const auto length = static_cast<uint64_t>(info[3].ToNumber().Int64Value());
  const auto at = static_cast<uint64_t>(info[4].ToNumber().Int64Value());
  if (from > bytes.ByteLength() || length > bytes.ByteLength() - from) {
    Napi::RangeError::New(info.Env(), "the bytes end before").ThrowAsJavaScriptException();
    return;
  }
  running_->busy = true;
  running_->bytes = Napi::Reference<Napi::Uint8Array>::New(bytes, 1);
  uv_ref(reinterpret_cast<uv_handle_t*>(&running_->async));
  running_->writer->write({info[0].ToNumber().Int32Value(), bytes.Data() + from, length, at});
}

// close(): waits for the piece that is being written, whose end nobody is told.
void FileWriter::close(const Napi::CallbackInfo&) { shut_down(); }

void FileWriter::shut_down() {
  if (!running_ || !running_->writer) return;
  running_->writer.reset();
  running_->self = running_;
  uv_close(reinterpret_cast<uv_handle_t*>(&running_->async), [](uv_handle_t* handle) {
    auto* running = static_cast<Running*>(handle->data);
    running->done.Reset();
    running->bytes.Reset();
    running->context.reset();
    running->self.reset();
  });
}

}  // namespace sluice::addon
