#include "mountctl/tensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "mountctl/output.h"

namespace wfs {
namespace {

using Row = std::vector<std::string>;

void print_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      const bool more = std::any_of(row.begin() + static_cast<std::ptrdiff_t>(i) + 1, row.end(),
                                    [](const std::string& cell) { return !cell.empty(); });
      if (more) line += std::string(widths[i] + 2 - row[i].size(), ' ');
    }
    print(line);
  }
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "[";
  for (const std::uint64_t side : shape) text += cat(text.size() == 1 ? "" : ", ", side);
  return text + ']';
}

std::string health_text(const std::string& health) {
  const auto numbers = nlohmann::json::parse(health, nullptr, false);
  if (!numbers.is_object()) return "";
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), "min %.4g, max %.4g, l2 %.4g", numbers.value("min", 0.0),
                numbers.value("max", 0.0), numbers.value("l2", 0.0));
  std::string whole = text.data();
  if (const auto nan = numbers.value("nan", std::uint64_t{0})) whole += cat(", ", nan, " NaN");
  if (const auto inf = numbers.value("inf", std::uint64_t{0})) whole += cat(", ", inf, " infinite");
  return whole;
}

std::string bases_text(const std::vector<BaseReport>& bases) {
  std::string text;
  for (const BaseReport& base : bases) {
    text += cat(text.empty() ? "" : ", ", "delta ", base.blocks, " (", base.reason,
                base.conversion.empty() ? "" : ", " + base.conversion, ", depth ", base.depth_min,
                base.depth_max > base.depth_min ? cat('-', base.depth_max) : "", ", ",
                size_text(base.stored_bytes), ')');
  }
  return text;
}

Row row_of(const SegmentReport& segment, Columns columns) {
  Row row = {segment.dtype.empty() ? "(other bytes)" : printable(segment.name), segment.dtype,
             segment.dtype.empty() ? "" : shape_text(segment.shape), size_text(segment.plain_bytes),
             size_text(segment.stored_bytes)};
  if (columns == Columns::tensors) {
    row.push_back(health_text(segment.health));
  } else {
    row.push_back(cat(
        segment.blocks, " blocks",
        segment.shared_blocks > 0 ? cat(", ", segment.shared_blocks, " shared") : std::string()));
    row.push_back(segment.encodings);
    row.push_back(bases_text(segment.bases));
  }
  return row;
}

}  // namespace

void print_content(const ContentReport& report, Columns columns) {
  print(cat("sha256  ", hex(report.id)));
  print(cat("format  ", report.format,
            report.reason.empty() ? "" : cat(" (", printable(report.reason), ')')));
  print(cat("size    ", size_text(report.size), " (", report.size, " bytes)"));
  if (report.packed) {
    print(cat("stored  ", size_text(report.stored_bytes), " that no earlier content had"));
  } else {
    print("stored  as it was written; it will be encoded in the background");
  }
  if (!report.sharing_known) print("shared  not looked for: there are too many contents");
  print("");
  std::vector<Row> rows = {{"SEGMENT", "TYPE", "SHAPE", "BYTES", "STORED"}};
  if (columns == Columns::tensors) {
    rows.front().push_back("HEALTH");
  } else {
    rows.front().insert(rows.front().end(), {"BLOCKS", "ENCODINGS", "BASES"});
  }
  for (const SegmentReport& segment : report.segments) {
    if (columns == Columns::tensors && segment.dtype.empty()) continue;
    rows.push_back(row_of(segment, columns));
  }
  print_table(rows);
}

}  // namespace wfs
