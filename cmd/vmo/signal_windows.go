package main

import "os"

func signalNumber(string) int { return 0 }

// notifyResize: the Windows console has no signal for it.
func notifyResize(chan<- os.Signal) {}

// endings are the signals that end vmo, and its jobs with it.
var endings []os.Signal

func foreground(*os.File) bool { return true }
