// packing_bench FOLDER [NAME...]: what packing costs. Commits the folders FOLDER/NAME one after the other under
// their names, each beside the ones before it (without names: FOLDER as a whole, in one commit), into a repository
// in a temporary folder, packs after each, and prints sizes, speed and the peak of memory; at the end of all.
#include <fcntl.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <map>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "index/block_base.h"
#include "index/block_rows.h"
#include "index/commit.h"
#include "index/content_rows.h"
#include "index/packing.h"
#include "tests/index/temporary_folder.h"

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

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

// Of all threads: in the program, and in the kernel, which copies files and clears memory.
struct CpuSeconds {
  double program = 0;
  double kernel = 0;
};

CpuSeconds cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

class Bench {
 public:
  explicit Bench(const stdfs::path& folder) : repository_(folder, Repository::Access::write) {}

  void run(const stdfs::path& from, const std::string& name) {
    Cut cut;
    cut.branch = "main";
    cut.time_ns = now_ns();
    for (const auto& [kept, tree] : kept_) {
      CutEntry entry;
      entry.name = kept;
      entry.value = tree;
      cut.root.entries.push_back(std::move(entry));
    }
    if (name.empty()) {
      add_all(cut.root, from);
    } else {
      CutEntry entry;
      entry.name = name;
      entry.node = NodeId{1};
      entry.value = std::make_unique<CutFolder>();
      auto& folder = *std::get<std::unique_ptr<CutFolder>>(entry.value);
      folder.node = NodeId{1};
      add_all(folder, from / name);
      cut.root.entries.push_back(std::move(entry));
    }
    const Stopwatch committing;
    const auto committed = commit(repository_, cut);
    const double commit_seconds = committing.seconds();
    for (const auto& [node, tree] : committed->trees) {
      if (node == NodeId{1}) kept_[name] = tree;
    }
    const Stopwatch packing;
    const CpuSeconds before = cpu_seconds();
    const std::atomic<bool> stop = false;
    const Packed packed = pack_pending(repository_, pool_, stop);
    const double seconds = packing.seconds();
    const CpuSeconds after = cpu_seconds();
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("%-24s %9.1f MB -> %9.1f MB (%5.2f %%)  commit %5.2f s  pack %5.2f s, %6.0f MB/s, "
                "%5.2f + %5.2f s of CPU  peak %ld MB\n",
                name.empty() ? "all" : name.c_str(), megabytes(packed.plain_bytes),
                megabytes(packed.stored_bytes),
                100.0 * static_cast<double>(packed.stored_bytes) /
                    static_cast<double>(std::max<std::uint64_t>(1, packed.plain_bytes)),
                commit_seconds, seconds, megabytes(packed.plain_bytes) / seconds,
                after.program - before.program, after.kernel - before.kernel,
                usage.ru_maxrss / 1024);
    plain_bytes_ += packed.plain_bytes;
    stored_bytes_ += packed.stored_bytes;
    seconds_ += seconds;
    cpu_.program += after.program - before.program;
    cpu_.kernel += after.kernel - before.kernel;
  }

  void print_total() {
    const double gigabytes = megabytes(plain_bytes_) / 1e3;
    std::printf("total: %.1f MB -> %.3f MB, pack %.2f s, %.0f MB/s, %.2f + %.2f s of CPU a GB, "
                "%.1f MB decoded from packs\n",
                megabytes(plain_bytes_), megabytes(stored_bytes_), seconds_,
                megabytes(plain_bytes_) / seconds_, cpu_.program / gigabytes,
                cpu_.kernel / gigabytes, megabytes(repository_.blocks().decoded_bytes()));
  }

 private:
  void add_all(CutFolder& folder, const stdfs::path& from) {
    for (const auto& file : stdfs::directory_iterator(from)) {
      CutEntry entry;
      entry.name = file.path().filename().string();
      if (file.is_directory()) {
        entry.value = std::make_unique<CutFolder>();
        add_all(*std::get<std::unique_ptr<CutFolder>>(entry.value), file.path());
      } else if (file.is_regular_file()) {
        auto staged = repository_.staging().create();
        const Fd source = open_file(file.path(), O_RDONLY);
        Buffer piece(4 << 20);
        for (std::uint64_t at = 0; at < file.file_size(); at += piece.size()) {
          const auto length = std::min<std::uint64_t>(piece.size(), file.file_size() - at);
          read_exactly(source, at, MutableBytes(piece).first(length));
          staged->write(at, Bytes(piece).first(length));
        }
        staged->freeze();
        entry.size = file.file_size();
        entry.value = std::move(staged);
      } else {
        continue;
      }
      folder.entries.push_back(std::move(entry));
    }
  }

  Repository repository_;
  Pool pool_{2};
  std::map<std::string, TreeId> kept_;
  std::uint64_t plain_bytes_ = 0;
  std::uint64_t stored_bytes_ = 0;
  double seconds_ = 0;
  CpuSeconds cpu_{};
};

}  // namespace
}  // namespace wfs

int main(int count, char** arguments) try {
  if (count < 2) {
    std::fprintf(stderr, "usage: packing_bench FOLDER [NAME...]\n");
    return 2;
  }
  wfs::keep_freed_memory();  // as mountctl does
  const wfs::TemporaryFolder folder;
  wfs::Repository::create(folder.path() / "repository");
  wfs::Bench bench(folder.path() / "repository");
  if (count == 2) bench.run(arguments[1], "");
  for (int i = 2; i < count; ++i) bench.run(arguments[1], arguments[i]);
  bench.print_total();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "packing_bench: %s\n", error.what());
  return 1;
}
