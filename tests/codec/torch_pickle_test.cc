#include "codec/torch_pickle.h"

#include "tests/codec/samples.h"

namespace wfs {
namespace {

// data.pkl as torch 2.13 writes it, of
// {"model": {"a.weight": f32 2x3, "b": bf16 4}, "state": {0: {"exp_avg": f16 5}}, "view": elements 2 and 3 of
//  i64 10, "half8": f8_e4m3fn 7, "u16": uint16 3, "n": 3.5, "p": Parameter f32 2x2, "tied": model's a.weight}
constexpr std::string_view saved_hex =
    "80027D71002858050000006D6F64656C71017D7102285808000000612E776569676874710363746F7263682E5F"
    "7574696C730A5F72656275696C645F74656E736F725F76320A71042828580700000073746F7261676571056374"
    "6F7263680A466C6F617453746F726167650A71065801000000307107580300000063707571084B06747109514B"
    "004B024B0386710A4B034B0186710B8963636F6C6C656374696F6E730A4F726465726564446963740A710C2952"
    "710D74710E52710F580100000062711068042828680563746F7263680A42466C6F6174313653746F726167650A"
    "7111580100000031711268084B04747113514B004B048571144B0185711589680C295271167471175271187558"
    "05000000737461746571197D711A4B007D711B58070000006578705F617667711C68042828680563746F726368"
    "0A48616C6653746F726167650A711D580100000032711E68084B0574711F514B004B058571204B018571218968"
    "0C295271227471235271247373580400000076696577712568042828680563746F7263680A4C6F6E6753746F72"
    "6167650A7126580100000033712768084B0A747128514B024B028571294B0185712A89680C2952712B74712C52"
    "712D580500000068616C6638712E63746F7263682E5F7574696C730A5F72656275696C645F74656E736F725F76"
    "330A712F2828680563746F7263682E73746F726167650A556E747970656453746F726167650A71305801000000"
    "34713168084B07747132514B004B078571334B0185713489680C2952713563746F7263680A666C6F6174385F65"
    "346D33666E0A713674713752713858030000007531367139682F282868056830580100000035713A68084B0674"
    "713B514B004B0385713C4B0185713D89680C2952713E63746F7263680A75696E7431360A713F74714052714158"
    "010000006E714247400C000000000000580100000070714363746F7263682E5F7574696C730A5F72656275696C"
    "645F706172616D657465720A71446804282868056806580100000036714568084B04747146514B004B024B0286"
    "71474B024B0186714889680C2952714974714A52714B88680C2952714C87714D52714E58040000007469656471"
    "4F680F752E";

Buffer saved_pickle() {
  const auto digit = [](char letter) { return letter <= '9' ? letter - '0' : letter - 'A' + 10; };
  Buffer bytes;
  for (std::size_t i = 0; i < saved_hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(saved_hex[i]) * 16 + digit(saved_hex[i + 1])));
  }
  return bytes;
}

TEST(TorchPickle, NamesTheTensorOfEachStorage) {
  const auto storages = torch_storages(saved_pickle());
  const std::unordered_map<std::string, Tensor> expected = {
      {"0", {"model.a.weight", Dtype::f32, {2, 3}}}, {"1", {"model.b", Dtype::bf16, {4}}},
      {"2", {"state.0.exp_avg", Dtype::f16, {5}}},   {"3", {"view", Dtype::i64, {10}}},
      {"4", {"half8", Dtype::f8_e4m3, {7}}},         {"5", {"u16", Dtype::u16, {3}}},
      {"6", {"p", Dtype::f32, {2, 2}}},
  };
  EXPECT_EQ(storages, expected);
}

TEST(TorchPickle, PickleThatIsCutNamesNothing) {
  const Buffer pickle = saved_pickle();
  for (std::size_t length = 0; length + 1 < pickle.size(); ++length) {
    EXPECT_TRUE(torch_storages(Bytes(pickle).first(length)).empty()) << length;
  }
}

TEST(TorchPickle, DamagedPicklesAreSurvived) {
  Random random(20);
  const Buffer pickle = saved_pickle();
  for (int round = 0; round < 20'000; ++round) {
    Buffer damaged = pickle;
    for (std::size_t flips = random.below(4) + 1; flips > 0; --flips) {
      damaged[random.below(damaged.size())] = static_cast<std::byte>(random());
    }
    for (const auto& [key, tensor] : torch_storages(damaged)) EXPECT_LE(tensor.shape.size(), 64u);
  }
}

TEST(TorchPickle, ContainersInThemselvesEnd) {
  // A list that is remembered, and appended to itself twice, again and again.
  std::string text = "\x80\x02]q";
  text += std::string(1, '\0');
  for (int i = 0; i < 100; ++i) text += std::string("h\0ah\0a", 6);
  text += ".";
  EXPECT_TRUE(torch_storages(as_bytes(text)).empty());
}

}  // namespace
}  // namespace wfs
