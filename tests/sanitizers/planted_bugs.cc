// One bug of each kind, run on demand: shows that a sanitizer preset really finds it.
#include <climits>
#include <cstdio>
#include <string>
#include <thread>

namespace {

int use_after_free() {
  auto* number = new int(1);
  delete number;
  static_cast<void>(*static_cast<volatile int*>(number));
  return 0;
}

int signed_overflow() {
  volatile int number = INT_MAX;
  number = number + 1;
  return 0;
}

int leak() {
  auto* volatile lost = new char[100];
  if (lost == nullptr) return 1;
  lost = nullptr;
  return 0;
}

int data_race() {
  volatile int shared = 0;
  const auto count = [&shared] {
    for (int i = 0; i < 10'000; ++i) shared = shared + 1;
  };
  std::thread other(count);
  count();
  other.join();
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string bug = count > 1 ? arguments[1] : "nothing";
  if (bug == "use_after_free") return use_after_free();
  if (bug == "signed_overflow") return signed_overflow();
  if (bug == "leak") return leak();
  if (bug == "data_race") return data_race();
  return bug == "nothing" ? 0 : 2;
}
