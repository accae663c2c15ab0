#include "fs/streams.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace wfs {
namespace {

constexpr std::uint64_t kib = 1 << 10;
constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t window_max = 8 * mib;

// A read, and what is decoded ahead after it.
struct Step {
  Range read;
  Range asked;
};

struct Case {
  std::string name;
  std::uint64_t size;
  std::vector<Step> steps;
};

TEST(Streams, AskForWhatComesNext) {
  const Range nothing{};
  const std::vector<Case> cases = {
      {"sequential: the window doubles up to its bound, and is asked for by halves",
       100 * mib,
       {{{0, mib}, nothing},
        {{mib, mib}, {2 * mib, mib}},
        {{2 * mib, mib}, {3 * mib, 2 * mib}},
        {{3 * mib, mib}, {5 * mib, 3 * mib}},
        {{4 * mib, mib}, {8 * mib, 5 * mib}},
        {{5 * mib, mib}, nothing},
        {{6 * mib, mib}, nothing},
        {{7 * mib, mib}, nothing},
        {{8 * mib, mib}, {13 * mib, 4 * mib}}}},
      {"served out of order: still one stream, and nothing asked for twice",
       100 * mib,
       {{{mib, mib}, nothing},
        {{0, mib}, nothing},
        {{3 * mib, mib}, {4 * mib, mib}},
        {{2 * mib, mib}, nothing},
        {{5 * mib, mib}, {6 * mib, 2 * mib}}}},
      {"the end of the file ends it",
       3 * mib + 5,
       {{{0, mib}, nothing},
        {{mib, mib}, {2 * mib, mib}},
        {{2 * mib, mib}, {3 * mib, 5}},
        {{3 * mib, 5}, nothing}}},
      {"one glance at the front",
       100 * mib,
       {{{0, 4 * kib}, nothing}}},
      {"the same place again and again",
       100 * mib,
       {{{mib, 4 * kib}, nothing}, {{mib, 4 * kib}, nothing}, {{mib, 4 * kib}, nothing}}},
      {"small reads that follow one another",
       100 * mib,
       {{{0, 4 * kib}, nothing}, {{4 * kib, 4 * kib}, {8 * kib, mib}}}},
      {"strided: a gap below four reads is skipped, and what lies in it is not asked for",
       100 * mib,
       {{{0, mib}, nothing},
        {{4 * mib, mib}, {5 * mib, mib}},
        {{8 * mib, mib}, {9 * mib, 2 * mib}}}},
      {"two readers of one handle, in turns",
       100 * mib,
       {{{0, mib}, nothing},
        {{50 * mib, mib}, nothing},
        {{mib, mib}, {2 * mib, mib}},
        {{51 * mib, mib}, {52 * mib, mib}},
        {{2 * mib, mib}, {3 * mib, 2 * mib}},
        {{52 * mib, mib}, {53 * mib, 2 * mib}}}},
      {"a reader that flowed jumps: it is expected to flow on at once",
       100 * mib,
       {{{0, mib}, nothing},
        {{mib, mib}, {2 * mib, mib}},
        {{2 * mib, mib}, {3 * mib, 2 * mib}},
        {{3 * mib, mib}, {5 * mib, 3 * mib}},
        {{60 * mib, mib}, {61 * mib, mib}},
        {{80 * mib, 4 * kib}, nothing}}},
  };
  for (const Case& one : cases) {
    Streams streams(one.size, window_max);
    for (std::size_t i = 0; i < one.steps.size(); ++i) {
      const Range asked = streams.next(one.steps[i].read);
      EXPECT_EQ(asked, one.steps[i].asked)
          << one.name << ", read " << i << ": " << asked.length << " bytes from " << asked.offset;
    }
  }
}

TEST(Streams, EightReadersOfTheirOwnRangesAllRunAhead) {
  constexpr std::uint64_t part = 32 * mib;
  Streams streams(Streams::count * part, window_max);
  std::vector<std::uint64_t> ahead(Streams::count);
  for (std::uint64_t at = 0; at < 16; ++at) {
    for (std::size_t reader = 0; reader < Streams::count; ++reader) {
      const Range asked = streams.next({reader * part + at * mib, mib});
      if (!asked.empty()) {
        EXPECT_EQ(asked.offset / part, reader);
        ahead[reader] = asked.end() - reader * part;
      }
      EXPECT_LE(streams.window(), window_max);
    }
  }
  for (const std::uint64_t end : ahead) EXPECT_GE(end, 17 * mib);
}

TEST(Streams, SmallRandomReadsAskForNextToNothing) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  constexpr std::uint64_t size = 4096 * mib;
  Streams streams(size, window_max);
  std::uint64_t asked = 0;
  for (int i = 0; i < 2000; ++i) {
    asked += streams.next({random() % (size / 4096) * 4096, 4096}).length;
  }
  EXPECT_LE(asked, 20 * mib) << "seed " << seed;
}

}  // namespace
}  // namespace wfs
