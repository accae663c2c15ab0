// codec_bench FILE [--base FILE]: encodes and decodes all blocks of FILE on one thread, from DRAM,
// and prints for each encoding, and for zstd and byte shuffling beside it, how small the blocks are
// and how fast that is, by computing time. Everything is decoded and compared before it is timed.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/file.h"
#include "base/memory.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/simd.h"
#include "codec/tensor_health.h"
#include "tests/bench/blocks_of_files.h"
#include "tests/bench/peer_codecs.h"
#include "tests/bench/stopwatch.h"

namespace wfs {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string file;
  std::string base;
  std::string simd;
  unsigned passes = 3;
  bool json = false;
  bool alone = false;
  bool list_simd = false;
};

struct Row {
  std::uint64_t blocks = 0, plain = 0, stored = 0;
  double encode = 0, decode = 0;  // seconds, of the best pass

  Json json() const {
    const double megabytes = static_cast<double>(plain) / 1e6;
    return {{"blocks", blocks},
            {"plain_bytes", plain},
            {"stored_bytes", stored},
            {"percent", plain == 0 ? 0 : 100 * static_cast<double>(stored) / 1e6 / megabytes},
            {"encode_mbps", encode == 0 ? 0 : megabytes / encode},
            {"decode_mbps", decode == 0 ? 0 : megabytes / decode}};
  }
};

// The rows of one codec: of all blocks, and of each encoding it chose.
struct Result {
  Row all;
  std::map<Encoding, Row> by_encoding;
};

// Runs `work` on every block, none of whose bytes are in a cache, and gives the seconds of each
// encoding.
template <class Work>
std::map<Encoding, double> timed_pass(const BlocksOfFiles& blocks,
                                      const std::vector<EncodedBlock>& stored, Work work) {
  blocks.leave_caches();
  for (const EncodedBlock& block : stored) leave_caches(block.payload);
  std::map<Encoding, double> seconds;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const Stopwatch watch;
    work(i);
    seconds[stored[i].encoding] += watch.seconds();
  }
  return seconds;
}

double sum(const std::map<Encoding, double>& seconds) {
  double total = 0;
  for (const auto& [encoding, part] : seconds) total += part;
  return total;
}

void keep_best(double& best, double seconds) {
  if (best == 0 || seconds < best) best = seconds;
}

template <class Work>
void best_of(unsigned passes, const BlocksOfFiles& blocks, const std::vector<EncodedBlock>& stored,
             Result& result, double Row::* time, Work work) {
  for (unsigned pass = 0; pass < passes; ++pass) {
    const auto seconds = timed_pass(blocks, stored, work);
    keep_best(result.all.*time, sum(seconds));
    for (const auto& [encoding, part] : seconds) {
      keep_best(result.by_encoding[encoding].*time, part);
    }
  }
}

void count(Row& row, Bytes plain, const EncodedBlock& stored) {
  ++row.blocks;
  row.plain += plain.size();
  row.stored += stored.payload.size();
}

// Encodes all blocks to memory, compares what they decode to, then takes the times. An encoder's
// result is dropped at once in the timed passes, as a writer to packs does; the decoder writes to
// one buffer again and again, as a reader does that takes block after block.
template <class Codec>
Result measure(const BlocksOfFiles& blocks, const Options& options, const Codec& codec,
               std::vector<EncodedBlock>& stored) {
  Result result;
  stored.clear();
  Buffer decoded(block_size_max);
  const auto place = [&](std::size_t i) {
    return MutableBytes(decoded).first(blocks.pairs()[i].plain.size());
  };
  for (const BlockPair& block : blocks.pairs()) {
    stored.push_back(codec.encode(block));
    count(result.all, block.plain, stored.back());
    count(result.by_encoding[stored.back().encoding], block.plain, stored.back());
    codec.decode(stored.back(), block.base, place(stored.size() - 1));
    if (!same_bytes(block.plain, Bytes(decoded).first(block.plain.size()))) {
      fail(Errc::corrupt, "a block decodes to other bytes");
    }
  }
  const auto& pairs = blocks.pairs();
  best_of(options.passes, blocks, stored, result, &Row::encode, [&](std::size_t i) {
    if (codec.encode(pairs[i]).payload.size() != stored[i].payload.size()) {
      fail(Errc::corrupt, "a block is encoded differently the second time");
    }
  });
  best_of(options.passes, blocks, stored, result, &Row::decode,
          [&](std::size_t i) { codec.decode(stored[i], pairs[i].base, place(i)); });
  return result;
}

struct OwnCodec {
  EncodedBlock encode(const BlockPair& block) const {
    return wfs::encode(block.plain, block.dtype, block.base);
  }
  void decode(const EncodedBlock& stored, Bytes base, MutableBytes plain) const {
    if (stored.encoding != Encoding::delta) base = {};
    wfs::decode(stored.encoding, stored.payload, base, plain);
  }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<std::size_t> whole_blocks(const BlocksOfFiles& blocks,
                                      const std::vector<EncodedBlock>& stored, Encoding encoding) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const bool whole = blocks.pairs()[i].plain.size() == block_size_max;
    if (stored[i].encoding == encoding && whole) found.push_back(i);
  }
  return found;
}

// Reads of one page of a random block, of the deltas if there are any: microseconds.
Json measure_pages(const BlocksOfFiles& blocks, const std::vector<EncodedBlock>& stored) {
  constexpr std::size_t page = 4096, samples = 2000;
  std::vector<std::size_t> chosen = whole_blocks(blocks, stored, Encoding::delta);
  if (chosen.empty()) chosen = whole_blocks(blocks, stored, Encoding::planes);
  if (chosen.empty()) return nullptr;
  std::mt19937_64 random(1);
  Buffer plain(block_size_max);
  std::vector<double> fronts, wholes;
  blocks.leave_caches();
  for (const EncodedBlock& block : stored) leave_caches(block.payload);
  for (std::size_t sample = 0; sample < samples; ++sample) {
    const std::size_t i = chosen[random() % chosen.size()];
    const EncodedBlock& block = stored[i];
    const Bytes base = block.encoding == Encoding::delta ? blocks.pairs()[i].base : Bytes{};
    const std::size_t wanted = (random() % (plain.size() / page) + 1) * page;
    const bool whole = sample % 2 != 0;
    const Stopwatch watch;
    decode_front(block.encoding, block.payload, base, plain, whole ? plain.size() : wanted);
    (whole ? wholes : fronts).push_back(watch.seconds() * 1e6);
  }
  return {{"encoding", name_of(stored[chosen.front()].encoding)},
          {"page_us", median(fronts)},
          {"block_us", median(wholes)}};
}

// What the machine can do at the moment: the blocks copied, from memory as all else.
double measure_copy(const BlocksOfFiles& blocks, unsigned passes) {
  double best = 0;
  Buffer copy(blocks.bytes());
  for (unsigned pass = 0; pass < passes; ++pass) {
    blocks.leave_caches();
    std::size_t at = 0;
    const Stopwatch watch;
    for (const BlockPair& block : blocks.pairs()) {
      std::memcpy(copy.data() + at, block.plain.data(), block.plain.size());
      at += block.plain.size();
    }
    keep_best(best, watch.seconds());
  }
  return static_cast<double>(blocks.bytes()) / 1e6 / best;
}

Json measure_health(const BlocksOfFiles& blocks, unsigned passes) {
  double best = 0;
  std::uint64_t bytes = 0;
  for (unsigned pass = 0; pass < passes; ++pass) {
    bytes = 0;
    const Stopwatch watch;
    for (const BlockPair& block : blocks.pairs()) {
      if (!HealthMeter::measures(block.dtype)) continue;
      HealthMeter meter(block.dtype);
      meter.add(block.plain);
      bytes += block.plain.size();
    }
    keep_best(best, watch.seconds());
  }
  if (bytes == 0) return nullptr;
  return static_cast<double>(bytes) / 1e6 / best;
}

std::uint64_t peak_memory() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  std::array<char, 256> line{};
  unsigned long long kibibytes = 0;
  while (status != nullptr && std::fgets(line.data(), line.size(), status) != nullptr) {
    if (std::sscanf(line.data(), "VmHWM: %llu", &kibibytes) == 1) break;
  }
  if (status != nullptr) std::fclose(status);
  return kibibytes * 1024;
}

Json run(const Options& options) {
  force_simd(options.simd);
  const BlocksOfFiles blocks(options.file, options.base);
  Json report = {{"file", options.file},
                 {"base", options.base},
                 {"simd", simd_kind()},
                 {"format", name_of(blocks.format())},
                 {"copies", blocks.copies()},
                 {"with_base", blocks.bytes_with_base()},
                 {"split_mbps", blocks.split_mbps()}};
  std::vector<EncodedBlock> stored;
  const Result own = measure(blocks, options, OwnCodec{}, stored);
  report["all"] = own.all.json();
  for (const auto& [encoding, row] : own.by_encoding) {
    report["encodings"][std::string(name_of(encoding))] = row.json();
  }
  report["page"] = measure_pages(blocks, stored);
  report["copy_mbps"] = measure_copy(blocks, options.passes);
  report["health_mbps"] = measure_health(blocks, options.passes);
  report["memory_bytes"] = peak_memory();
  report["peers"] = Json::object();
  if (options.alone) return report;
  for (const PeerCodec& peer : peer_codecs(blocks.bytes_with_base() > 0)) {
    report["peers"][peer.name()] = measure(blocks, options, peer, stored).all.json();
  }
  return report;
}

void print_row(const std::string& name, const Json& row) {
  std::printf("%-23s %7llu blocks %9.1f MB %7.2f %%   encode %6.0f MB/s   decode %6.0f MB/s\n",
              name.c_str(), row["blocks"].get<unsigned long long>(),
              row["plain_bytes"].get<double>() / 1e6, row["percent"].get<double>(),
              row["encode_mbps"].get<double>(), row["decode_mbps"].get<double>());
}

void print_text(const Json& report) {
  std::printf("%s: %s, %s, split at %.0f MB/s, %llu in memory\n",
              report["file"].get<std::string>().c_str(),
              report["format"].get<std::string>().c_str(),
              report["simd"].get<std::string>().c_str(), report["split_mbps"].get<double>(),
              report["copies"].get<unsigned long long>());
  if (!report["base"].get<std::string>().empty()) {
    std::printf("base %s, for %.1f MB\n", report["base"].get<std::string>().c_str(),
                report["with_base"].get<double>() / 1e6);
  }
  for (const auto& [name, row] : report["encodings"].items()) print_row(name, row);
  print_row("all", report["all"]);
  for (const auto& [name, row] : report["peers"].items()) print_row(name, row);
  if (const Json& page = report["page"]; !page.is_null()) {
    std::printf("4 KiB of a %s block: %.1f us, all of it: %.1f us (medians)\n",
                page["encoding"].get<std::string>().c_str(), page["page_us"].get<double>(),
                page["block_us"].get<double>());
  }
  std::printf("copied, for comparison: %.0f MB/s\n", report["copy_mbps"].get<double>());
  if (!report["health_mbps"].is_null()) {
    std::printf("tensor health: %.0f MB/s\n", report["health_mbps"].get<double>());
  }
  std::printf("peak memory %.0f MB, the files and their blocks with it\n",
              report["memory_bytes"].get<double>() / 1e6);
}

}  // namespace
}  // namespace wfs

int main(int count, char** arguments) {
  wfs::Options options;
  CLI::App app("Sizes and speeds of the codec on one file, on one thread, from memory");
  app.add_option("FILE", options.file, "What to encode")->check(CLI::ExistingFile);
  app.add_option("--base", options.base, "What its tensors were before")->check(CLI::ExistingFile);
  app.add_option("--simd", options.simd, "The vectors to use instead of the widest");
  app.add_flag("--list-simd", options.list_simd, "Name the vectors this machine has");
  app.add_option("--passes", options.passes, "The best of so many counts (3)")
      ->check(CLI::Range(1, 100));
  app.add_flag("--alone", options.alone, "Without the other codecs");
  app.add_flag("--json", options.json, "One line of JSON");
  CLI11_PARSE(app, count, arguments);
  wfs::keep_freed_memory();  // as mountctl does
  try {
    if (options.list_simd) {
      for (const std::string_view kind : wfs::simd_kinds()) std::puts(std::string(kind).c_str());
      return 0;
    }
    if (options.file.empty()) wfs::fail(wfs::Errc::invalid, "name a FILE; see --help");
    const auto report = wfs::run(options);
    if (options.json) {
      std::puts(report.dump().c_str());
    } else {
      wfs::print_text(report);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "codec_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
