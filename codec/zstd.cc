#include "codec/zstd.h"

// The setting that codes literals without looking for repetitions is declared only so. It is a
// setting of the compressor: its frames are ordinary ones.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include <memory>
#include <new>

#include "base/error.h"

namespace wfs {
namespace {

template <auto free_object>
struct Releaser {
  template <class Object>
  void operator()(Object* object) const noexcept {
    free_object(object);
  }
};

using CompressContext = std::unique_ptr<ZSTD_CCtx, Releaser<ZSTD_freeCCtx>>;
using DecompressContext = std::unique_ptr<ZSTD_DCtx, Releaser<ZSTD_freeDCtx>>;

void check(std::size_t result) {
  if (ZSTD_isError(result)) fail(Errc::io, cat("zstd: ", ZSTD_getErrorName(result)));
}

void set(ZSTD_CCtx* context, ZstdEffort effort) {
  const bool literals = effort == ZstdEffort::literals;
  // A frame that did not fit is still open.
  check(ZSTD_CCtx_reset(context, ZSTD_reset_session_only));
  const int level = literals ? ZSTD_minCLevel() : effort == ZstdEffort::fast ? 1 : 3;
  check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level));
  check(ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode,
                               literals ? ZSTD_ps_enable : ZSTD_ps_auto));
}

ZSTD_CCtx* compress_context() {
  thread_local const CompressContext context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  return context.get();
}

ZSTD_DCtx* decompress_context() {
  thread_local const DecompressContext context(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();
  return context.get();
}

}  // namespace

std::size_t zstd_compress(Bytes from, MutableBytes to, ZstdEffort effort) {
  ZSTD_CCtx* const context = compress_context();
  set(context, effort);
  const std::size_t length =
      ZSTD_compress2(context, to.data(), to.size(), from.data(), from.size());
  if (!ZSTD_isError(length)) return length;
  if (ZSTD_getErrorCode(length) == ZSTD_error_dstSize_tooSmall) return 0;
  check(length);
  return 0;
}

void zstd_decompress(Bytes from, MutableBytes to) {
  // One frame, and all of it: the library would also accept several, and skip frames of user data.
  if (ZSTD_isSkippableFrame(from.data(), from.size()) ||
      ZSTD_findFrameCompressedSize(from.data(), from.size()) != from.size()) {
    fail(Errc::corrupt, "not one whole zstd frame");
  }
  const std::size_t length =
      ZSTD_decompressDCtx(decompress_context(), to.data(), to.size(), from.data(), from.size());
  if (ZSTD_isError(length)) fail(Errc::corrupt, cat("zstd: ", ZSTD_getErrorName(length)));
  if (length != to.size()) fail(Errc::corrupt, "a zstd frame of another length");
}

}  // namespace wfs
