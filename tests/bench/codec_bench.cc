// codec_bench FILE: encodes all blocks of FILE in memory, checks that they decode, and prints for
// each encoding, and for zstd -3 of the same blocks, how small they are and how fast one thread is.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>

#include "base/file.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/layout.h"
#include "codec/split.h"
#include "codec/tensor_health.h"
#include "codec/zstd.h"

namespace wfs {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct Row {
  std::uint64_t blocks = 0;
  std::uint64_t plain = 0;
  std::uint64_t stored = 0;
  double encode = 0;
  double decode = 0;

  void operator+=(const Row& other) {
    blocks += other.blocks;
    plain += other.plain;
    stored += other.stored;
    encode += other.encode;
    decode += other.decode;
  }
};

void print(std::string_view name, const Row& row) {
  const double plain = static_cast<double>(row.plain);
  std::printf("%-8.*s %8llu blocks %10.1f MB %6.2f %%  encode %6.0f MB/s  decode %6.0f MB/s\n",
              static_cast<int>(name.size()), name.data(),
              static_cast<unsigned long long>(row.blocks), plain / 1e6,
              plain == 0 ? 0 : 100 * static_cast<double>(row.stored) / plain,
              plain / 1e6 / row.encode, plain / 1e6 / row.decode);
}

// Three times; the best counts.
template <class Work>
double time_of(Work work) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  return best;
}

void check_equal(Bytes plain, Bytes decoded) {
  if (!std::equal(plain.begin(), plain.end(), decoded.begin(), decoded.end())) {
    fail(Errc::corrupt, "a block decodes to other bytes");
  }
}

Row measure(Bytes plain, Dtype dtype, Encoding& encoding) {
  EncodedBlock block;
  Buffer decoded(plain.size());
  Row row{1, plain.size(), 0, 0, 0};
  row.encode = time_of([&] { block = encode(plain, dtype); });
  row.decode = time_of([&] { decode(block.encoding, block.payload, {}, decoded); });
  check_equal(plain, decoded);
  row.stored = block.payload.size();
  encoding = block.encoding;
  return row;
}

Row measure_zstd(Bytes plain) {
  Buffer frame(plain.size() + plain.size() / 128 + 1024);
  Buffer decoded(plain.size());
  Row row{1, plain.size(), 0, 0, 0};
  row.encode = time_of([&] { row.stored = zstd_compress(plain, frame, ZstdEffort::normal); });
  frame.resize(row.stored);
  row.decode = time_of([&] { zstd_decompress(frame, decoded); });
  check_equal(plain, decoded);
  return row;
}

void run(const char* path) {
  const Buffer file = read_file(path);
  const MemorySource source(file);
  const Layout layout = layout_of(source);
  const auto format = name_of(layout.format);
  Stopwatch watch;
  const auto blocks = split(source, layout);
  std::printf("%s: %.*s, %zu segments, %zu blocks, split at %.0f MB/s\n", path,
              static_cast<int>(format.size()), format.data(), layout.segments.size(), blocks.size(),
              static_cast<double>(file.size()) / 1e6 / watch.seconds());
  std::map<Encoding, Row> rows;
  Row all;
  Row zstd;
  double health = 0;
  std::uint64_t measured = 0;
  for (const PlainBlock& block : blocks) {
    const Bytes plain = Bytes(file).subspan(block.range.offset, block.range.length);
    Encoding encoding{};
    const Row row = measure(plain, block.dtype, encoding);
    rows[encoding] += row;
    all += row;
    zstd += measure_zstd(plain);
    if (HealthMeter::measures(block.dtype)) {
      HealthMeter meter(block.dtype);
      health += time_of([&] { meter.add(plain); });
      measured += plain.size();
    }
  }
  for (const auto& [encoding, row] : rows) print(name_of(encoding), row);
  print("all", all);
  print("zstd -3", zstd);
  if (measured > 0)
    std::printf("health   %.0f MB/s\n", static_cast<double>(measured) / 1e6 / health);
}

}  // namespace
}  // namespace wfs

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: codec_bench FILE\n");
    return 2;
  }
  try {
    wfs::run(arguments[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "codec_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
