# The second task, of many steps: charts of a real table (lib/data/charts.h).
MAX_TOKENS ?= 96
OVERLONG   ?= 24
WARM       ?= 900
ROWS       ?= 12288
TEST_ROWS  ?= 600
KINDS      ?= hinted:6000,find:3000,describe:1500,read:1000,spread:100,chain:60,hops:20,rowtop:60,coltop:30,peaks:60
TEACH      ?= all-plain:12288
MAKER      := charts
