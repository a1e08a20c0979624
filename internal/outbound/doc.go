// Package outbound turns a message for a server of somebody else's into one guarded try, and into a
// word about what became of it that holds no secret.
//
// The guard judges the address that a name was resolved to, right before the connection, and lets
// only the public internet pass, unless a person has allowed private addresses beside the URL. No
// redirect is followed and no proxy of the environment is used: either would take the connection
// elsewhere than to the address that was judged.
package outbound
