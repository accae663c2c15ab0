#include "index/pack_files.h"

#include <fcntl.h>

#include "base/error.h"
#include "index/content_rows.h"

namespace wfs {

PackId PackFiles::id_of(std::int64_t number) {
  const auto id = catalog_.read([&](Database& database) { return find_pack(database, number); });
  if (!id) fail(Errc::corrupt, cat("the index has no pack ", number, "; run `mountctl rebuild`"));
  return *id;
}

stdfs::path PackFiles::path_of(std::int64_t number) { return path_of(id_of(number)); }

std::shared_ptr<const Fd> PackFiles::open(std::int64_t number) {
  {
    auto opened = open_.lock();
    if (const auto at = opened->find(number); at != opened->end()) return at->second;
  }
  const stdfs::path path = path_of(number);
  std::shared_ptr<const Fd> file;
  try {
    file = std::make_shared<const Fd>(open_file(path, O_RDONLY | O_NOFOLLOW));
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    fail(Errc::corrupt, cat("pack ", path.string(), " is missing; restore it from a copy"));
  }
  return keep(open_, number, std::move(file));
}

std::shared_ptr<const Fd> PackFiles::open_direct(std::int64_t number) {
  {
    auto opened = direct_.lock();
    if (const auto at = opened->find(number); at != opened->end()) return at->second;
  }
  Fd file(::open(path_of(number).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECT));
  return keep(direct_, number, file ? std::make_shared<const Fd>(std::move(file)) : nullptr);
}

std::shared_ptr<const Fd> PackFiles::keep(Guarded<Opened>& files, std::int64_t number,
                                          std::shared_ptr<const Fd> file) {
  constexpr std::size_t open_max = 256;
  auto opened = files.lock();
  if (opened->size() >= open_max) opened->erase(opened->begin());
  return opened->emplace(number, std::move(file)).first->second;
}

}  // namespace wfs
