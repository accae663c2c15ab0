#include <gtest/gtest.h>

#include "codec/layout.h"
#include "tests/codec/samples.h"

namespace wfs {
namespace {

Layout layout_of_array(std::string_view header, std::size_t data, unsigned version = 1) {
  const Buffer file = npy_file(header, Buffer(data, std::byte{1}), version);
  Layout layout = layout_of(MemorySource(file));
  expect_covers(layout, file.size());
  return layout;
}

TEST(Npy, AnArrayIsOneTensorBehindItsHeader) {
  for (const unsigned version : {1U, 2U, 3U}) {
    const Layout layout = layout_of_array(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }          \n", 48, version);
    EXPECT_EQ(layout.format, Format::npy) << layout.reason;
    ASSERT_EQ(layout.segments.size(), 2U);
    EXPECT_EQ(layout.segments[1].tensor, (Tensor{"", Dtype::f32, {3, 4}}));
    EXPECT_EQ(layout.segments[1].range.length, 48U);
  }
}

TEST(Npy, AcceptsTheHeadersNumPyWrites) {
  struct Case {
    const char* header;
    std::size_t data;
  };
  for (const Case& one : {Case{"{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", 5},
                          {"{'descr': '<f8', 'fortran_order': True, 'shape': (), }", 8},
                          {"{\"descr\": \"=i2\", \"fortran_order\": False, \"shape\": (2,2)}", 8},
                          {"{'descr': '<c8', 'fortran_order': False, 'shape': (1L, 2L)}", 16},
                          {"{'shape': (0, 3), 'fortran_order': False, 'descr': '|b1'}", 0},
                          {"{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }", 9}}) {
    EXPECT_EQ(layout_of_array(one.header, one.data).format, Format::npy) << one.header;
  }
  EXPECT_EQ(layout_of_array("{'descr':'<i8','fortran_order':False,'shape':(0,)}", 0).empty_tensors,
            (std::vector<Tensor>{{"", Dtype::i64, {0}}}));
}

TEST(Npy, WhatIsUnknownOrWrongIsOpaqueWithAReason) {
  for (const char* header :
       {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1,), }", "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "{", "", "{'descr"}) {
    const Layout layout = layout_of_array(header, 16);
    EXPECT_EQ(layout.format, Format::opaque) << header;
    EXPECT_NE(layout.reason, "") << header;
    EXPECT_EQ(layout.segments.size(), 1U);
  }
  EXPECT_EQ(layout_of_array("{'descr':'<f4','fortran_order':False,'shape':(1,)}", 4, 4).format,
            Format::opaque);
}

}  // namespace
}  // namespace wfs
