// A mount of commits only: the kernel opens files and folders without asking, and reads by inode
// number. What an open would have made is made by the first read and kept while it is in use.
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "fs/filesystem.h"

namespace wfs {
namespace {

constexpr std::int64_t text_lasts_ms = 1000;

}  // namespace

std::shared_ptr<Handle> FileSystem::unopened(Ino file) {
  const Place place = place_of(file);
  if (place == Place::control_file) {
    auto handle = std::make_shared<Handle>();
    handle->ino = file;
    handle->of = TextHandle{kept_text(file, Fresh::no).text};
    return handle;
  }
  if (place != Place::commit) fail(Errc::is_folder, "this is no file");
  if (auto known = unopened_files_.find(file)) return known;
  return unopened_files_.put(file, open_committed(file));
}

KeptText FileSystem::kept_text(Ino file, Fresh fresh) {
  const auto is_good = [&](const KeptText& kept) {
    return kept.looked_ms != 0 &&
           (fresh == Fresh::no || steady_ms() - kept.looked_ms < text_lasts_ms);
  };
  if (auto texts = texts_.lock(); is_good((*texts)[file])) return (*texts)[file];
  std::string text = control_files_.text(file);
  auto texts = texts_.lock();
  KeptText& kept = (*texts)[file];
  // The kernel drops the bytes it has when the time changes.
  if (kept.looked_ms == 0 || kept.text != text) kept.mtime_ns = now_ns();
  kept.text = std::move(text);
  kept.looked_ms = steady_ms();
  return kept;
}

}  // namespace wfs
