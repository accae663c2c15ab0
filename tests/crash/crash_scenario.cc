// Runs the scenario in the repository of its argument, and says on its output what is done: the
// number of each step and the commit it made. A step that fails is tried again.
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "tests/crash/scenario.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  wfs::Scenario scenario(arguments[1]);
  for (std::size_t i = 0; i < wfs::Scenario::count(); ++i) {
    for (int attempt = 0;; ++attempt) {
      try {
        const auto commit = scenario.run(i);
        std::cout << i << ' ' << (commit ? wfs::hex(commit->digest.bytes) : "-") << std::endl;
        break;
      } catch (const wfs::Error& error) {
        std::cerr << "step " << i << ": " << error.what() << std::endl;
        if (attempt == 3) return 1;
      }
    }
  }
  scenario.stop();
  return 0;
}
