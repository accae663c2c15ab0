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
  stdfs::path path_of(std::int64_t number);
  stdfs::path path_of(const PackId& id) const { return folder_ / (hex(id) + ".pack"); }
  const stdfs::path& folder() const noexcept { return folder_; }

 private:
  PackId id_of(std::int64_t number);

  stdfs::path folder_;
  Catalog& catalog_;
  Guarded<std::unordered_map<std::int64_t, std::shared_ptr<const Fd>>> open_;
};

}  // namespace wfs
