// sketch_bench [FILE...]: what finding bases by similarity costs: sketching a model of made-up bf16 tensors in
// memory, then an index of 200 models of 100 tensors with two sketches each, and a look-up in it; per sketch, per tensor
// and per GB. With files of weights: each is looked up among those named before it, and what it finds is printed.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <exception>
#include <map>
#include <random>

#include "base/file.h"
#include "index/catalog.h"
#include "tests/bench/stopwatch.h"
#include "tests/index/made_models.h"
#include "tests/index/temporary_folder.h"

namespace wfs {
namespace {

void bench_sketching() {
  constexpr std::size_t tensors = 64;
  const MadeFile file = made_file(made_model(1, tensors, {512, 1024}), Dtype::bf16);
  double best = 1e9;
  std::size_t sketches = 0;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    sketches = sketches_of(file).size();
    best = std::min(best, watch.seconds());
  }
  const double gb = static_cast<double>(file.bytes.size()) / 1e9;
  std::printf("sketch    %7.1f us a sketch, %.1f ms a GB (tensors of 1 MB in bf16)\n",
              best / static_cast<double>(sketches) * 1e6, best / gb * 1e3);
}

// A model of long tensors of one shape, and sketches such as they have, without the tensors' bytes.
struct MadeContent {
  Layout layout;
  std::vector<TensorSketch> sketches;
};

MadeContent make_content(std::uint64_t seed, std::size_t tensors) {
  std::mt19937_64 random(seed);
  QuickNormal normal(seed);
  MadeContent content;
  for (std::size_t i = 0; i < tensors; ++i) {
    content.layout.segments.push_back(
        {{i * 1024, 1024}, Tensor{cat("model.layers.", i, ".weight"), Dtype::bf16, {1024, 1024}}});
    for (std::uint16_t part = 0; part < 2; ++part) {
      TensorSketch& sketch = content.sketches.emplace_back();
      sketch.segment = i;
      sketch.kind = part;
      sketch.sketch.valid = 0xff;
      for (std::uint16_t& band : sketch.sketch.bands) band = static_cast<std::uint16_t>(random());
      for (std::uint16_t& sample : sketch.sketch.samples) {
        sample = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(normal()) >> 16);
      }
    }
  }
  return content;
}

void put_made_content(Database& database, const MadeContent& content, std::uint64_t seed) {
  Buffer name;
  append_le(name, seed);
  const ContentId id{sha256(name)};
  BlockRef block;
  block.number = 1;
  block.plain_length = static_cast<std::uint32_t>(content.layout.segments.size() * 1024);
  put_packed_content(database, id, SegmentMap(content.layout, {block}), 0, "");
  put_sketches(database, id, content.sketches);
}

double best_search(Catalog& catalog, const MadeContent& content, std::size_t& found) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    found = catalog.read([&](Database& database) {
      return find_similar(database, content.layout, content.sketches).size();
    });
    best = std::min(best, watch.seconds());
  }
  return best;
}

void bench_index(std::size_t models) {
  constexpr std::size_t tensors = 100;
  const TemporaryFolder folder;
  const stdfs::path path = folder.path() / "index.sqlite";
  Catalog::create(path);
  Catalog catalog(path, Database::Access::write);
  double seconds = 0;
  for (std::uint64_t seed = 0; seed < models; ++seed) {
    const MadeContent content = make_content(seed, tensors);
    const Stopwatch watch;
    catalog.write(Durability::later,
                  [&](Database& database) { put_made_content(database, content, seed); });
    seconds += watch.seconds();
  }
  const double all = static_cast<double>(models * tensors);
  std::printf("index     %zu models of %zu tensors: %.1f us a sketch to insert\n", models, tensors,
              seconds / all / 2 * 1e6);
  const std::int64_t pages = catalog.read([](Database& database) {
    auto query = database.prepare(
        "SELECT SUM(pgsize) FROM dbstat WHERE name IN ('sketches', 'bands')");
    query.step();
    return query.number(0);
  });
  std::printf("          %.0f bytes a tensor, %.0f a sketch\n", static_cast<double>(pages) / all,
              static_cast<double>(pages) / all / 2);
  std::size_t found = 0;
  const double known = best_search(catalog, make_content(models / 2, tensors), found);
  std::printf("look-up   %7.1f us a tensor of a known model (%zu found)\n",
              known / tensors * 1e6, found);
  const double fresh = best_search(catalog, make_content(models + 1, tensors), found);
  std::printf("          %7.1f us a tensor of an unrelated one (%zu found)\n",
              fresh / tensors * 1e6, found);
}

void bench_files(const std::vector<std::string>& names) {
  const TemporaryFolder folder;
  const stdfs::path path = folder.path() / "index.sqlite";
  Catalog::create(path);
  Catalog catalog(path, Database::Access::write);
  std::map<ContentId, std::string> known;
  for (const std::string& name : names) {
    MadeFile file{read_file(name), {}};
    file.layout = layout_of(MemorySource(file.bytes));
    const Stopwatch sketching;
    const auto sketches = sketches_of(file);
    const double sketch_seconds = sketching.seconds();
    const Stopwatch searching;
    const auto found = catalog.read([&](Database& database) {
      return find_similar(database, file.layout, sketches);
    });
    std::printf("%s\n  %zu sketches in %.2f ms; look-up %.2f ms\n", name.c_str(), sketches.size(),
                sketch_seconds * 1e3, searching.seconds() * 1e3);
    std::map<std::string, std::pair<std::size_t, double>> bases;
    std::map<std::string, std::uint64_t> bytes;
    for (const SimilarTensor& tensor : found) {
      auto& [count, sum] = bases[known[tensor.content]];
      ++count;
      sum += tensor.distance;
      bytes[known[tensor.content]] += file.layout.segments[tensor.segment].range.length;
    }
    for (const auto& [base, tensors] : bases) {
      std::printf("  %4zu tensors, %5.1f %% of the bytes, mean distance %5.2f: %s\n", tensors.first,
                  100.0 * static_cast<double>(bytes[base]) / static_cast<double>(file.bytes.size()),
                  tensors.second / static_cast<double>(tensors.first), base.c_str());
    }
    known[catalog.write(Durability::later,
                        [&](Database& database) { return put_made(database, file); })] = name;
  }
}

}  // namespace
}  // namespace wfs

int main(int count, char** arguments) {
  try {
    if (count > 1) {
      wfs::bench_files({arguments + 1, arguments + count});
    } else {
      wfs::bench_sketching();
      wfs::bench_index(200);
      wfs::bench_index(800);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sketch_bench: %s\n", error.what());
    return 1;
  }
}
