"""Microsoft Graph beta, the Permissions Management part: requests, their change events, discovery."""
