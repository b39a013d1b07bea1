package target

import (
	"fmt"
	"strings"
	"testing"
)

func paramNames(params []Param) string {
	var out []string
	for _, p := range params {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestParse_Params(t *testing.T) {
	t.Parallel()
	m := parseText(t, `## who is greeted
NAME ?= world
VERSION ?= $(shell git describe) ## what to release
export REGION?=eu \
  west
EMPTY ?=
HASH ?= a\#b # a plain comment
FIXED = 1
FIXED ?= dead
ifdef CI
MODE ?= ci
else
MODE ?= dev
endif
FORCED ?= 1
override FORCED = 2
SHELL ?= bash
MAKEFLAGS ?= -j
$(X)NAME ?= computed
t: LOCAL ?= 1
define BODY ?=
x
endef
`)
	var got []string
	for _, p := range m.Params {
		got = append(got, fmt.Sprintf("%d %s=%s|%s", p.Line, p.Name, p.Default, p.Help))
	}
	want := []string{
		"2 NAME=world|who is greeted",
		"3 VERSION=$(shell git describe)|what to release",
		"4 REGION=eu west|",
		"6 EMPTY=|",
		"7 HASH=a#b|",
		"11 MODE=ci|",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParse_ParamsOfTargets(t *testing.T) {
	t.Parallel()
	m := parseText(t, `A ?= 1
B ?= 2
C ?= 3
D ?= 4
E ?= 5
VIA = x$(B)
DEEP := $(VIA:.c=.o)
define script
echo ${C} $(call other,$(1))
endef
other = $(if $(D),yes)

direct:   ; echo $(A) $A
braces:   ; echo ${A}
shell:    ; echo $$A $${B:-x}
variable: ; echo $(DEEP)
called:   ; $(call script,x)
named:    ; $(origin E) $(value A)
nested:   ; echo $($(A)) $(patsubst %,$(B)/%,x)
special:  ; echo $(A:x=y) "$(B)" $(C)/$(D)
chain:    direct | braces called
own:      X = $(E)
own:      ; echo $(X)
depname:  bin/$(B)
	x
loop1:    loop2 ; echo $(A)
loop2:    loop1 ; echo $(B)
bin/2:    ; echo $(C)
none:     ; echo A $(AA) $$AA $(@A)
exe:      bin/tool$(EXE)
bin/tool: ; echo $(D)
verbose:  ; $(Q)echo
ifeq ($(A),1)
EXE := .exe
else ifeq ($(B),2)
Q := @
within:   ; echo
endif
branch:
ifdef Z
	echo
else ifdef C
	echo $(A)
else
	echo $(B)
endif
`)
	want := map[string]string{
		"direct": "A", "braces": "A", "shell": "A B", "variable": "B", "called": "C D", "named": "A E",
		"nested": "A B", "special": "A B C D", "chain": "A C D", "own": "E", "loop1": "A B", "loop2": "A B",
		"none": "", "branch": "A B C",
		"exe": "A D", "verbose": "A B", "within": "A B", // conditions decide as well
		"depname": "B C", // bin/2, as long as nobody sets B
	}
	for _, tg := range m.Targets {
		if got := paramNames(tg.Params); got != want[tg.Name] {
			t.Errorf("%s uses %q, want %q", tg.Name, got, want[tg.Name])
		}
		if tg.Params == nil {
			t.Errorf("%s: Params is nil; it must be [] in JSON", tg.Name)
		}
		delete(want, tg.Name)
	}
	if len(want) > 0 {
		t.Errorf("not offered: %v", want)
	}
}
