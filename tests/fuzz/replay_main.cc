// Runs a fuzz target without a fuzzer: on every file of a corpus, and on copies changed at random.
//   NAME_replay FOLDER [MUTATIONS [SEED]]
// The seed is printed first; the same seed and corpus repeat a run.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace wfs {
namespace {

void run(const Buffer& input) {
  // A copy of the exact length, so that a sanitizer sees the first byte behind it.
  const Buffer exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(exact.data()), exact.size());
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::vector<Buffer>& corpus) : random_(seed), corpus_(corpus) {}

  Buffer mutate(Buffer bytes) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  void change(Buffer& bytes) {
    static constexpr std::array<std::uint8_t, 8> notable = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '0'};
    const std::size_t at = bytes.empty() ? 0 : below(bytes.size());
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto rest = bytes.size() - at;
    switch (bytes.empty() ? 6 : below(7)) {
      case 0:
        *place ^= static_cast<std::byte>(1U << below(8));
        break;
      case 1:
        *place = static_cast<std::byte>(notable[below(notable.size())]);
        break;
      case 2:
        std::fill_n(place, std::min<std::size_t>(rest, 1 + below(8)), std::byte{0xff});
        break;
      case 3:
        bytes.erase(
            place, place + static_cast<std::ptrdiff_t>(1 + below(std::min<std::size_t>(rest, 16))));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5: {  // repeats a part
        const Buffer part(
            place, place + static_cast<std::ptrdiff_t>(std::min<std::size_t>(rest, 1 + below(40))));
        bytes.insert(place, part.begin(), part.end());
        break;
      }
      default: {  // goes on as another file of the corpus
        const Buffer& other = corpus_[below(corpus_.size())];
        if (other.empty()) break;
        const std::size_t from = below(other.size());
        bytes.resize(at);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      }
    }
  }

  std::mt19937_64 random_;
  const std::vector<Buffer>& corpus_;
};

int replay(const char* folder, std::size_t mutations, std::uint64_t seed) {
  std::vector<stdfs::path> paths;
  for (const auto& entry : stdfs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Buffer> corpus;
  for (const auto& path : paths) corpus.push_back(read_file(path));
  std::printf("%zu files, %zu mutations, seed %llu\n", corpus.size(), mutations,
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  if (corpus.empty()) return 1;
  run({});
  for (const Buffer& file : corpus) run(file);
  Mutator mutator(seed, corpus);
  for (std::size_t i = 0; i < mutations; ++i) run(mutator.mutate(corpus[i % corpus.size()]));
  return 0;
}

}  // namespace
}  // namespace wfs

int main(int count, char** arguments) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "usage: %s FOLDER [MUTATIONS [SEED]]\n", arguments[0]);
    return 2;
  }
  const std::size_t mutations = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 300'000;
  const std::uint64_t seed =
      count > 3 ? std::strtoull(arguments[3], nullptr, 10) : std::random_device()();
  return wfs::replay(arguments[1], mutations, seed);
}
