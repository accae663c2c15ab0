#include "index/block_rows.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "index/block_base.h"
#include "index/id_columns.h"

namespace wfs {
namespace {

std::string select_where(std::string_view condition) {
  return cat("SELECT number, id, pack, offset, payload_length, plain_length, encoding, depth, base "
             "FROM blocks WHERE ",
             condition);
}

BlockRef block_at(const Statement& query) {
  BlockRef block;
  block.number = query.number(0);
  block.id = id_at<BlockId>(query, 1);
  block.pack = query.number(2);
  block.offset = static_cast<std::uint64_t>(query.number(3));
  block.payload_length = static_cast<std::uint32_t>(query.number(4));
  block.plain_length = static_cast<std::uint32_t>(query.number(5));
  block.encoding = static_cast<Encoding>(query.number(6));
  block.depth = static_cast<std::uint8_t>(query.number(7));
  return block;
}

// Rows are taken level by level: those that are wanted, their bases, the bases of those.
class BlockLoader {
 public:
  explicit BlockLoader(Database& database) : database_(database) {}

  void take_all(Statement& query) {
    while (query.step()) take(query);
  }

  void take_numbers(std::vector<std::int64_t> numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    // Blocks that were stored together mostly have consecutive numbers: they are read in runs.
    for (std::size_t i = 0; i < numbers.size();) {
      std::size_t end = i + 1;
      while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
      auto run = database_.prepare(select_where("number BETWEEN ? AND ?"));
      run.bind(numbers[i]).bind(numbers[end - 1]);
      take_all(run);
      i = end;
    }
  }

  // Gives the rows taken so far, with their bases.
  std::vector<BlockRef> finish() {
    const std::size_t wanted = rows_.size();
    for (unsigned level = 0; level < base_depth_max && !missing_.empty(); ++level) {
      std::vector<std::int64_t> numbers;
      for (const std::int64_t number : missing_) {
        if (!by_number_.contains(number)) numbers.push_back(number);
      }
      missing_.clear();
      take_numbers(std::move(numbers));
    }
    join();
    std::vector<BlockRef> blocks;
    blocks.reserve(wanted);
    for (std::size_t i = 0; i < wanted; ++i) blocks.push_back(std::move(rows_[i].block));
    return blocks;
  }

 private:
  struct Row {
    BlockRef block;
    BaseNumbers base;  // without blocks: none, or none that can be read
  };

  void take(const Statement& query) {
    Row row{block_at(query), {}};
    const BlockRef& block = row.block;
    const std::int64_t depth = query.number(7);
    if (block.encoding == Encoding::delta && depth > 0 && depth <= base_depth_max) {
      try {
        row.base = base_numbers_of(query.blob(8));
        missing_.insert(missing_.end(), row.base.blocks.begin(), row.base.blocks.end());
      } catch (const Error&) {
        // It comes back without a base, which is what reading it tells.
      }
    }
    by_number_.emplace(block.number, rows_.size());
    rows_.push_back(std::move(row));
  }

  // Lower depths first: what a base is made of is whole before it is copied.
  void join() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!rows_[i].base.blocks.empty()) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return rows_[a].block.depth < rows_[b].block.depth;
    });
    for (const std::size_t i : order) join(rows_[i]);
  }

  void join(Row& row) {
    auto base = std::make_shared<BlockBase>(std::move(row.base.base));
    base->blocks.reserve(row.base.blocks.size());
    for (const std::int64_t number : row.base.blocks) {
      const auto at = by_number_.find(number);
      if (at == by_number_.end()) return;
      const BlockRef& block = rows_[at->second].block;
      if (block.depth >= row.block.depth) return;
      base->blocks.push_back(block);
    }
    row.block.base = std::move(base);
  }

  Database& database_;
  std::vector<Row> rows_;  // the wanted ones first
  std::unordered_map<std::int64_t, std::size_t> by_number_;
  std::vector<std::int64_t> missing_;  // numbers of bases that may not be taken yet
};

std::optional<std::int64_t> find_number(Database& database, const BlockId& id) {
  auto query = database.prepare("SELECT number FROM blocks WHERE id = ?");
  query.bind(id.hash.bytes);
  if (!query.step()) return std::nullopt;
  return query.number(0);
}

// The column base, ready to be bound.
Buffer base_column(Database& database, const BlockRef& block) {
  if (!block.base) return {};
  std::vector<std::int64_t> numbers;
  for (const BlockRef& base : block.base->blocks) {
    const auto number = base.number == 0 ? find_number(database, base.id) : base.number;
    if (!number) fail(Errc::corrupt, cat("the index lacks the base ", hex(base.id)));
    numbers.push_back(*number);
  }
  return row_of_base(*block.base, numbers);
}

}  // namespace

std::optional<BlockRef> find_block(Database& database, const BlockId& id) {
  BlockLoader loader(database);
  {
    auto query = database.prepare(select_where("id = ?"));
    query.bind(id.hash.bytes);
    loader.take_all(query);
  }
  auto blocks = loader.finish();
  if (blocks.empty()) return std::nullopt;
  return std::move(blocks.front());
}

std::optional<BlockRef> find_block_row(Database& database, const BlockId& id) {
  auto query = database.prepare(select_where("id = ?"));
  query.bind(id.hash.bytes);
  if (!query.step()) return std::nullopt;
  return block_at(query);
}

std::int64_t insert_block(Database& database, const BlockRef& block) {
  const Buffer base = base_column(database, block);
  database
      .prepare("INSERT OR IGNORE INTO blocks (id, pack, offset, payload_length, plain_length, "
               "encoding, depth, base) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(block.id.hash.bytes).bind(block.pack).bind(static_cast<std::int64_t>(block.offset))
      .bind(block.payload_length).bind(block.plain_length)
      .bind(static_cast<std::int64_t>(block.encoding)).bind(block.depth).bind(base).run();
  if (database.changes() == 1) return database.last_row();
  return find_number(database, block.id).value();
}

void move_block(Database& database, const BlockRef& block) {
  const Buffer base = base_column(database, block);
  database
      .prepare("UPDATE blocks SET pack = ?, offset = ?, payload_length = ?, plain_length = ?, "
               "encoding = ?, depth = ?, base = ? WHERE number = ? AND id = ?")
      .bind(block.pack).bind(static_cast<std::int64_t>(block.offset))
      .bind(block.payload_length).bind(block.plain_length)
      .bind(static_cast<std::int64_t>(block.encoding)).bind(block.depth).bind(base)
      .bind(block.number).bind(block.id.hash.bytes).run();
}

std::int64_t count_blocks(Database& database) {
  auto query = database.prepare("SELECT COUNT(*) FROM blocks");
  query.step();
  return query.number(0);
}

std::unordered_map<std::int64_t, BlockRef> load_blocks(Database& database,
                                                       std::vector<std::int64_t> numbers) {
  BlockLoader loader(database);
  loader.take_numbers(std::move(numbers));
  std::unordered_map<std::int64_t, BlockRef> blocks;
  for (BlockRef& block : loader.finish()) {
    const std::int64_t number = block.number;
    blocks.emplace(number, std::move(block));
  }
  return blocks;
}

std::vector<BlockRef> blocks_of_pack(Database& database, std::int64_t pack) {
  BlockLoader loader(database);
  {
    auto query = database.prepare(select_where("pack = ?"));
    query.bind(pack);
    loader.take_all(query);
  }
  return loader.finish();
}

}  // namespace wfs
