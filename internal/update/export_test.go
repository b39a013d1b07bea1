package update

// Parse is parse, for the tests outside.
var Parse = parse
