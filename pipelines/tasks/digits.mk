# The first task: handwriting (lib/data/digits.h). As pipelines/demo, one base for each seed.
MAX_TOKENS ?= 32
OVERLONG   ?= 8
WARM       ?= 600
ROWS       ?= 12288
TEST_ROWS  ?= 600
KINDS      ?= hinted:4200,find:4000,describe:850,read:850,csum:150,cmax:150,diff:60,nbr:12,colsum:12,rowsum:12
TEACH      ?= all-plain:12288
MAKER      := digits
