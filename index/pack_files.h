// The sealed packs of a repository, opened for reading when first wanted. Any thread.
#pragma once

#include <memory>
#include <unordered_map>

#include "base/file.h"
#include "base/guarded.h"
#include "index/catalog.h"
#include "index/ids.h"

namespace wfs {

class PackFiles {
 public:
  PackFiles(stdfs::path folder, Catalog& catalog) : folder_(std::move(folder)), catalog_(catalog) {}

  // The open pack of row `number`; throws Errc::corrupt when the file is gone.
  std::shared_ptr<const Fd> open(std::int64_t number);
  // The same for reading past the page cache (O_DIRECT); null where the disk does not know that.
  std::shared_ptr<const Fd> open_direct(std::int64_t number);
  stdfs::path path_of(std::int64_t number);
  stdfs::path path_of(const PackId& id) const { return folder_ / (hex(id) + ".pack"); }
  const stdfs::path& folder() const noexcept { return folder_; }

 private:
  using Opened = std::unordered_map<std::int64_t, std::shared_ptr<const Fd>>;

  PackId id_of(std::int64_t number);
  static std::shared_ptr<const Fd> keep(Guarded<Opened>& opened, std::int64_t number,
                                        std::shared_ptr<const Fd> file);

  stdfs::path folder_;
  Catalog& catalog_;
  Guarded<Opened> open_;
  Guarded<Opened> direct_;  // null: not possible
};

}  // namespace wfs
