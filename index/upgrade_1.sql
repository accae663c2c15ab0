-- From an index of version 1: blocks may have bases, and tensors sketches.
ALTER TABLE blocks ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blocks ADD COLUMN base BLOB NOT NULL DEFAULT x'';
ALTER TABLE contents ADD COLUMN sketched INTEGER NOT NULL DEFAULT 0;
CREATE INDEX contents_unsketched ON contents (number) WHERE sketched = 0 AND staged = 0;
CREATE TABLE sketches (
  content INTEGER NOT NULL PRIMARY KEY REFERENCES contents (number) ON DELETE CASCADE,
  sketches BLOB NOT NULL
) STRICT;
CREATE TABLE bands (
  key INTEGER NOT NULL,
  content INTEGER NOT NULL,
  PRIMARY KEY (key, content)
) STRICT, WITHOUT ROWID;
