//! Local use: repositories as they are in git, served by `gatefold dev`.

mod expected;
mod first_answer;
mod repositories;
mod stand_ins;
mod tables;
