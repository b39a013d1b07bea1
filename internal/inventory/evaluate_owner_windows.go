package inventory

// ownedWell leaves access lists to ssh itself.
func ownedWell(string) bool { return true }
