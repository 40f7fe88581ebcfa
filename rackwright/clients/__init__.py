"""Who may come in by the gateways: clients with their keys and limits, and what they have used."""

from rackwright.clients.client import Client, ClientKey, Clients
from rackwright.clients.key import digest, new_key

__all__ = ["Client", "ClientKey", "Clients", "digest", "new_key"]
