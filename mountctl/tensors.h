// The tensors and other segments of a content as a table. One thread.
#pragma once

#include "index/report.h"

namespace wfs {

enum class Columns { tensors, storage };  // what is in it, or how it is stored

void print_content(const ContentReport& report, Columns columns);

}  // namespace wfs
